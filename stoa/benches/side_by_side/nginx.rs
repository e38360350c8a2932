//! nginx as good as it gets at static files, over one directory.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::directories;
use crate::http_client;
use crate::outcome::{Failure, Naming, Outcome};

const READY_WITHIN: Duration = Duration::from_secs(5);

/// A running nginx; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    authority: String,
}

impl Nginx {
    /// Serves `root`; configuration, log and process id lie in `prefix`.
    pub(crate) fn start(root: &Path, prefix: &Path) -> Outcome<Self> {
        let [authority] = http_client::free_addresses()?;
        directories::create(&prefix.join("temporary"))?;
        let file = prefix.join("nginx.conf");
        directories::write(&file, configuration(&authority, root, prefix))?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(prefix)
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(prefix.join("error.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .naming("nginx")?;
        let nginx = Self { child, authority };
        let started = Instant::now();
        while http_client::get(&nginx.authority, "/").is_err() {
            if started.elapsed() > READY_WITHIN {
                let log = prefix.join("error.log");
                return Err(Failure::new(format!("nginx is not ready, see {}", log.display())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers when it is told, not when it is killed.
        let id = rustix::process::Pid::from_child(&self.child);
        let _told = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ended = self.child.wait();
    }
}

fn configuration(authority: &str, root: &Path, prefix: &Path) -> String {
    let (root, prefix) = (root.display(), prefix.display());
    // Started by root, workers would be somebody who may not read the directory.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "daemon off;
{user}
pid {prefix}/nginx.pid;
worker_processes auto;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    gzip off;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    open_file_cache max=20000 inactive=600s;
    open_file_cache_valid 600s;
    default_type text/plain;
    types {{ application/json info; application/zip zip; }}
    client_body_temp_path {prefix}/temporary/body;
    proxy_temp_path {prefix}/temporary/proxy;
    fastcgi_temp_path {prefix}/temporary/fastcgi;
    uwsgi_temp_path {prefix}/temporary/uwsgi;
    scgi_temp_path {prefix}/temporary/scgi;
    server {{
        listen {authority};
        root {root};
    }}
}}
"
    )
}
