//! The case `drain`: workers touch while the node is restarted; nothing that was answered is lost.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::Failure;
use crate::node::{DEADLINE, Presence, expect, live, online, presence, touch};

const WORKERS: usize = 8;
const ENOUGH: usize = 100;
const LIVE_USERS_MAX: usize = 10_000;

/// A user whose Touch was answered, or why a worker ended.
type News = Result<String, Status>;

pub async fn drain() -> Result<(), Failure> {
    let mut node = presence("MUSTER_DRAINED").await?;
    let (sender, mut news) = mpsc::unbounded_channel();
    // They end with this set.
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(touch_for_ever(node.clone(), worker, sender.clone()));
    }
    let mut answered = Vec::new();
    read_news(&mut news, &mut answered, ENOUGH).await?;
    println!("drain");
    expect("the harness's line", tokio::task::spawn_blocking(read_line).await??, "restarted\n".to_string())?;
    while let Ok(user) = news.try_recv() {
        answered.push(user?);
    }
    read_news(&mut news, &mut answered, ENOUGH).await?;
    workers.shutdown().await;
    for users in answered.chunks(LIVE_USERS_MAX) {
        let users = live(&mut node, "drain", users.to_vec()).await?.users;
        expect("live of those answered", users.iter().filter(|user| user.live).count(), users.len())?;
    }
    Ok(())
}

async fn touch_for_ever(mut node: Presence, worker: usize, news: UnboundedSender<News>) {
    for beat in 0.. {
        let user = format!("worker-{worker}-{beat}");
        match touch(&mut node, "drain", vec![online(&user)]).await {
            Err(refusal) if is_of_drain(&refusal) => sleep(Duration::from_millis(10)).await,
            answer => drop(news.send(answer.map(|_| user))),
        }
    }
}

/// CANCELLED is tonic's word for a call that it had not sent yet when the connection closed.
fn is_of_drain(refusal: &Status) -> bool {
    matches!(refusal.code(), Code::Unavailable | Code::Cancelled)
}

async fn read_news(news: &mut UnboundedReceiver<News>, answered: &mut Vec<String>, count: usize) -> Result<(), Failure> {
    let read = async {
        for _ in 0..count {
            answered.push(news.recv().await.ok_or("all workers ended")??);
        }
        Ok(())
    };
    timeout(DEADLINE, read).await.map_err(|_| format!("{count} answers took more than {DEADLINE:?}"))?
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line)
}
