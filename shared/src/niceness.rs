//! Niceness: how readily a thread leaves the processor to others.

/// Makes the calling thread at least this nice, from 0 to 19. Where threads have no niceness
/// of their own, or the system refuses, the processors are shared evenly.
#[cfg(target_os = "linux")]
pub fn give_way(niceness: i32) {
    use rustix::process::{getpriority_process, setpriority_process};
    // To Linux, a thread is the process that is meant here. It is set and not added to: a
    // thread begins with the niceness of the one that started it.
    if getpriority_process(None).is_ok_and(|inherited| inherited < niceness) {
        let _ = setpriority_process(None, niceness);
    }
}

#[cfg(not(target_os = "linux"))]
pub fn give_way(_niceness: i32) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use rustix::process::getpriority_process;

    use super::give_way;

    #[test]
    fn a_thread_is_as_nice_as_said_however_nice_its_starter_was() {
        let before = getpriority_process(None).unwrap();
        let started = thread::spawn(|| {
            give_way(7);
            let inherited = thread::spawn(|| {
                give_way(7);
                let same = getpriority_process(None).unwrap();
                give_way(3);
                (same, getpriority_process(None).unwrap())
            });
            (getpriority_process(None).unwrap(), inherited.join().unwrap())
        });
        let expected = before.max(7);
        assert_eq!(started.join().unwrap(), (expected, (expected, expected)));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
