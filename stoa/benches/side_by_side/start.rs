//! How soon it answers after its start, and what it keeps resident when nobody asks.

use std::time::Duration;

use crate::Bench;
use crate::memory::Memory;
use crate::outcome::Outcome;
use crate::report::{Bound, Row, Unit, median};
use crate::stoa_process::StoaSettings;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let store = bench.directories.scratch("start-store");
    bench.corpus.link_into(&store)?;
    let settings = StoaSettings::new(&store);
    let (mut starts, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..bench.plan.starts {
        let stoa = settings.start()?;
        starts.push(stoa.ready_after().as_secs_f64() * 1e3);
        // Long enough for whatever a start leaves to the background.
        std::thread::sleep(Duration::from_secs(1));
        idle.push(Memory::of(stoa.process_id())?.resident);
    }
    let what = "from start to ready, frontend and worker in one";
    Ok(vec![
        Row::new(what, median(starts), Unit::Milliseconds, Bound::AtMost(300.0)),
        Row::new("resident when idle", median(idle), Unit::Mebibytes, Bound::AtMost(50.0)),
    ])
}
