//! Fleets: `stoa-frontend` and `stoa-worker` as processes of their own, over the S3 server
//! and the RabbitMQ that `make bench` starts.

mod bucket;
mod reads;
mod scale;
mod site;
mod streams;

pub(crate) use reads::measure as measure_reads;
pub(crate) use scale::measure as measure_scale;
pub(crate) use streams::measure as measure_streams;
