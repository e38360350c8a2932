//! Which job is whose turn: plain values in memory, time given from outside.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    super::{Delivery, Depth, Job, JobKey, Lane, QueueError},
    files::Record,
};

/// How long a consumer may hold a job: three times a job's own deadline (design §3).
pub(super) const IN_HAND: Duration = Duration::from_secs(30 * 60);

/// A job's place in the order of acceptance, and the name of its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Sequence(pub(super) u64);

/// All jobs of the queue, by every question that is asked of them.
#[derive(Debug)]
pub(super) struct Index {
    jobs: HashMap<Sequence, Entry>,
    by_key: HashMap<JobKey, Sequence>,
    /// In the order of delivery: lane first, then the order in which they became ready. One
    /// that was put off does not come before those who have waited meanwhile.
    ready: BTreeSet<(Lane, Turn)>,
    /// Not before this time.
    delayed: BTreeSet<(Instant, Sequence)>,
    /// Handed out, and overdue at this time.
    running: BTreeSet<(Instant, Sequence)>,
    permits: Permits,
    turns: u64,
    deliveries: u64,
    dead: usize,
}

/// Each gets a permit for each job that becomes ready for it. A permit is a reason to look
/// and no more: who holds one for the same job in the other may have taken it.
#[derive(Debug, Clone)]
pub(super) struct Permits {
    /// For whoever takes any job.
    pub(super) any: Arc<Semaphore>,
    /// For whoever takes interactive jobs only.
    pub(super) interactive: Arc<Semaphore>,
}

/// A job's place among those that are ready.
type Turn = (u64, Sequence);

#[derive(Debug)]
struct Entry {
    record: Record,
    key: Option<JobKey>,
    state: State,
    /// The lane in which a consumer got it last.
    handed_out_in: Lane,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Ready(Turn),
    Delayed(Instant),
    /// In a consumer's hand, who knows the number of the delivery.
    Running {
        overdue: Instant,
        delivery: u64,
    },
    /// Given back; what follows is being written down.
    Settling,
}

impl Permits {
    pub(super) fn new() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self { any: none(), interactive: none() }
    }

    fn announce(&self, lane: Lane) {
        self.any.add_permits(1);
        if lane == Lane::Interactive {
            self.interactive.add_permits(1);
        }
    }
}

impl Sequence {
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Reads what `Display` wrote, and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let sequence = Self(text.parse().ok()?);
        (sequence.to_string() == text).then_some(sequence)
    }
}

impl fmt::Display for Sequence {
    /// Of one width, so that file names sort by age.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

impl Index {
    /// An empty index beside `dead` dead letters.
    pub(super) fn new(permits: Permits, dead: usize) -> Self {
        Self {
            jobs: HashMap::new(),
            by_key: HashMap::new(),
            ready: BTreeSet::new(),
            delayed: BTreeSet::new(),
            running: BTreeSet::new(),
            permits,
            turns: 0,
            deliveries: 0,
            dead,
        }
    }

    /// A durable job, ready now or at `due`.
    pub(super) fn insert(&mut self, sequence: Sequence, record: Record, due: Option<Instant>) {
        let key = Job::from_message(&record.message).ok().map(|job| job.key());
        if let Some(key) = &key {
            self.by_key.entry(key.clone()).or_insert(sequence);
        }
        let handed_out_in = record.lane;
        self.jobs.insert(sequence, Entry { record, key, state: State::Settling, handed_out_in });
        match due {
            None => self.make_ready(sequence),
            Some(due) => self.make_delayed(sequence, due),
        }
    }

    /// Whether an equal job is there; it goes to `lane` if that goes first, and need
    /// not wait any longer if that is the interactive one.
    pub(super) fn lift(&mut self, key: &JobKey, lane: Lane) -> bool {
        let Some(&sequence) = self.by_key.get(key) else { return false };
        let Some(entry) = self.jobs.get_mut(&sequence) else { return false };
        let before = entry.record.lane;
        entry.record.lane = before.min(lane);
        match entry.state {
            State::Ready(turn) if lane < before => {
                self.ready.remove(&(before, turn));
                self.ready.insert((lane, turn));
                self.permits.interactive.add_permits(1);
            }
            State::Delayed(due) if lane == Lane::Interactive => {
                // A user's hurry is no step of the ladder: an outage lasts as long as it
                // lasts, however often it is asked in the meantime.
                entry.record.attempt = entry.record.attempt.saturating_sub(1).max(1);
                self.delayed.remove(&(due, sequence));
                self.make_ready(sequence);
            }
            State::Ready(_) | State::Delayed(_) | State::Running { .. } | State::Settling => {}
        }
        true
    }

    /// Makes ready what is due or overdue, and tells when the next job will be.
    pub(super) fn promote(&mut self, now: Instant) -> Option<Instant> {
        while let Some(sequence) = self.pop_due(now) {
            self.make_ready(sequence);
        }
        let firsts = self.delayed.first().into_iter().chain(self.running.first());
        firsts.map(|(time, _)| *time).min()
    }

    /// Hands out the next job, of the lanes up to `last`.
    pub(super) fn take(&mut self, last: Lane, now: Instant) -> Option<Delivery> {
        let (lane, turn) = self.ready.first().copied().filter(|(lane, _)| *lane <= last)?;
        self.ready.remove(&(lane, turn));
        let (_, sequence) = turn;
        let entry = self.jobs.get_mut(&sequence).expect("a ready job is in the index");
        self.deliveries += 1;
        let (overdue, delivery) = (now + IN_HAND, self.deliveries);
        entry.state = State::Running { overdue, delivery };
        entry.handed_out_in = lane;
        self.running.insert((overdue, sequence));
        Some(Delivery {
            job: Job::from_message(&entry.record.message),
            attempt: entry.record.attempt,
            lane,
            receipt: format!("{sequence}-{delivery}"),
        })
    }

    /// Takes the job out of its consumer's hand; `make_ready`, `delay`, `remove` or
    /// `bury` is to follow.
    pub(super) fn take_back(&mut self, receipt: &str) -> Result<(Sequence, Record), QueueError> {
        let unknown = || QueueError::UnknownDelivery { receipt: receipt.to_owned() };
        let (sequence, number) = receipt.split_once('-').ok_or_else(unknown)?;
        let sequence = Sequence(sequence.parse().map_err(|_| unknown())?);
        let entry = self.jobs.get_mut(&sequence).ok_or_else(unknown)?;
        match entry.state {
            State::Running { overdue, delivery } if number == delivery.to_string() => {
                self.running.remove(&(overdue, sequence));
                entry.state = State::Settling;
                Ok((sequence, entry.record.clone()))
            }
            _ => Err(unknown()),
        }
    }

    /// The job can be handed out, after those that can be by now.
    pub(super) fn make_ready(&mut self, sequence: Sequence) {
        if let Some(entry) = self.jobs.get_mut(&sequence) {
            let turn = (self.turns, sequence);
            self.turns += 1;
            entry.state = State::Ready(turn);
            self.ready.insert((entry.record.lane, turn));
            self.permits.announce(entry.record.lane);
        }
    }

    /// The job goes on as `record`, not before `due`; at once, if a user has come to wait
    /// for it since it was handed out as one that nobody waits for.
    pub(super) fn delay(&mut self, sequence: Sequence, mut record: Record, due: Instant) {
        if let Some(entry) = self.jobs.get_mut(&sequence) {
            record.lane = entry.record.lane;
            let is_waited_for_now = record.lane < entry.handed_out_in;
            entry.record = record;
            match is_waited_for_now {
                true => self.make_ready(sequence),
                false => self.make_delayed(sequence, due),
            }
        }
    }

    /// The job is done.
    pub(super) fn remove(&mut self, sequence: Sequence) {
        let key = self.jobs.remove(&sequence).and_then(|entry| entry.key);
        if let Some(key) = key
            && self.by_key.get(&key) == Some(&sequence)
        {
            self.by_key.remove(&key);
        }
    }

    /// The job is among the dead letters.
    pub(super) fn bury(&mut self, sequence: Sequence) {
        self.remove(sequence);
        self.dead += 1;
    }

    /// A dead letter is none any longer.
    pub(super) fn unbury(&mut self) {
        self.dead = self.dead.saturating_sub(1);
    }

    pub(super) fn depth(&self) -> Depth {
        let first = (Lane::Background, Turn::default());
        let interactive = self.ready.range(..first).count();
        Depth {
            interactive,
            background: self.ready.len() - interactive,
            delayed: self.delayed.len(),
            running: self.running.len(),
            dead: self.dead,
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<Sequence> {
        [&mut self.delayed, &mut self.running].into_iter().find_map(|waiting| {
            waiting.first().filter(|(due, _)| *due <= now)?;
            waiting.pop_first().map(|(_, sequence)| sequence)
        })
    }

    fn make_delayed(&mut self, sequence: Sequence, due: Instant) {
        if let Some(entry) = self.jobs.get_mut(&sequence) {
            entry.state = State::Delayed(due);
            self.delayed.insert((due, sequence));
        }
    }
}
