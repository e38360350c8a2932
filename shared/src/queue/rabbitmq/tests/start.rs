//! What is wrong from the start: told in one line, without a password, and not fatal.

use std::io;

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// The log of this thread, kept.
#[derive(Clone, Default)]
struct Log(Arc<StdMutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn keep() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber =
            tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Lines of ours that warn; waits for the first.
    async fn warnings(&self) -> Vec<String> {
        let warnings = || -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let ours = |line: &&str| line.contains("WARN stoa_shared::queue::rabbitmq");
            text.lines().filter(ours).map(str::to_owned).collect()
        };
        while warnings().is_empty() {
            time::sleep(Duration::from_millis(20)).await;
        }
        warnings()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_on_our_own_names_are_enough() {
    let vhost = Vhost::create();
    let ours = r"^stoa\..*";
    let url = vhost.url_with_rights(ours, r"^(stoa\..*|amq\.default)$", ours);
    let queue: Arc<dyn Queue> = Arc::new(RabbitQueue::start(config(url)).unwrap());
    let mut told = queue.completions();
    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    queue.retry(receive(&queue).await, Duration::from_secs(1), "busy").await.unwrap();
    let delivery = receive(&queue).await;
    assert_eq!(delivery.attempt, 2);
    queue.dead_letter(delivery, "given up").await.unwrap();
    settles_at(&queue, Depth { dead: 1, ..Depth::default() }).await;
    assert_eq!(queue.dead_letters().await.unwrap().len(), 1);
    queue.announce(&job(1).key()).await.unwrap();
    assert_eq!(contract::heard(&mut told).await, job(1).key());
}

#[tokio::test]
async fn changed_arguments_of_a_queue_are_told_and_not_fatal() {
    let (log, _kept) = Log::keep();
    let vhost = Vhost::create();
    let arguments = serde_json::json!({ "x-queue-type": "quorum", "x-delivery-limit": 7 });
    vhost.declare_queue("stoa.fill.interactive.v1", &arguments);
    let queue = RabbitQueue::start(config(vhost.url())).unwrap();
    let warnings = log.warnings().await;
    assert!(warnings[0].contains("PRECONDITION_FAILED"), "{}", warnings[0]);
    assert!(warnings[0].contains("stoa.fill.interactive.v1"), "{}", warnings[0]);
    assert!(!queue.is_connected());

    // It is tried again, and told once.
    time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.warnings().await.len(), 1);
    vhost.delete_queue("stoa.fill.interactive.v1");
    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    assert!(queue.is_connected());
}

#[tokio::test]
async fn refused_credentials_and_a_missing_vhost_are_told_without_the_password() {
    let vhost = Vhost::create();
    let mut wrong = url::Url::parse(&vhost.url()).unwrap();
    wrong.set_password(Some("open-sesame")).unwrap();
    let missing = format!("{}-missing", vhost.url());
    for (url, expected) in [(wrong.to_string(), "ACCESS_REFUSED"), (missing, "not found")] {
        let (log, _kept) = Log::keep();
        let queue = RabbitQueue::start(config(url)).unwrap();
        let warnings = log.warnings().await;
        assert!(warnings[0].contains(expected), "{}", warnings[0]);
        assert!(!queue.is_connected());
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        for secret in ["open-sesame", "guest:guest"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_new_password_in_the_urls_file_is_used_at_the_next_attempt() {
    let (log, _kept) = Log::keep();
    let vhost = Vhost::create();
    let mut wrong = url::Url::parse(&vhost.url()).unwrap();
    wrong.set_password(Some("open-sesame")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, wrong.as_str()).unwrap();
    let url_file = Some(file.path().to_owned());
    let config = RabbitConfig { url_file, ..config(wrong.to_string()) };
    let queue = RabbitQueue::start(config).unwrap();
    assert!(log.warnings().await[0].contains("ACCESS_REFUSED"));
    // While it is being replaced, or by mistake, there is no URL in it.
    std::fs::write(&file, "").unwrap();
    while !log.warnings().await.iter().any(|line| line.contains("was not read again")) {
        time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::write(&file, format!("{}\n", vhost.url())).unwrap();
    while queue.publish(&job(1), Lane::Interactive).await.is_err() {}
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("open-sesame") && !text.contains("guest:guest"), "{text}");
}

#[tokio::test]
async fn what_no_broker_can_mend_is_refused_at_once() {
    let refusal = |config| RabbitQueue::start(config).err().unwrap().to_string();
    let url = "amqps://user:secret@localhost";
    assert_eq!(
        refusal(RabbitConfig::new("https://user:secret@localhost")),
        "not the URL of a broker: the scheme is neither amqp nor amqps"
    );
    let roots = |pem: &[u8]| RabbitConfig { roots: Some(pem.to_vec()), ..RabbitConfig::new(url) };
    assert_eq!(
        refusal(roots(b"")),
        "unusable root certificates for the broker: there is no certificate among them"
    );
    let half = refusal(roots(b"-----BEGIN CERTIFICATE-----\nAAAA\n"));
    assert!(half.starts_with("unusable root certificates for the broker: "), "{half}");
    let shown = format!("{:?}", RabbitConfig::new(url));
    assert!(shown.contains("localhost:5671") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn a_fleet_that_starts_at_once_finds_every_queue_alive() {
    let vhost = Vhost::create();
    let queues: Vec<_> = (0..8)
        .map(|_| RabbitQueue::start(RabbitConfig { prefetch: 1, ..RabbitConfig::new(vhost.url()) }))
        .map(Result::unwrap)
        .collect();
    for (number, queue) in queues.iter().enumerate() {
        for lane in [Lane::Interactive, Lane::Background] {
            queue.publish(&job(number), lane).await.unwrap();
        }
    }
    for _ in 0..2 * queues.len() {
        let delivery = time::timeout(Duration::from_secs(60), queues[0].receive(Lanes::All))
            .await
            .unwrap()
            .unwrap();
        queues[0].acknowledge(delivery).await.unwrap();
    }
}
