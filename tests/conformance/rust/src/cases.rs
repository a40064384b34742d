//! The cases, but for `drain`.

use std::fs;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic::{Code, Request};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::Failure;
use crate::node::{
    Presence, ask_nodes, busy, channel, expect, expect_refusal, live, online, presence, request, tls_presence, touch, variable_of,
};
use crate::presence::{
    Beat, Change, ChangeKind, CountsRequest, Departure, LeaveReason, LeaveRequest, ListRequest, NodesRequest, Status,
};
use crate::watch::Watch;

pub async fn unary() -> Result<(), Failure> {
    let mut node = presence("MUSTER_PLAIN").await?;
    expect("joined", touch(&mut node, "unary", vec![online("ada"), busy("bob")]).await?, 2)?;
    let users = live(&mut node, "unary", vec!["ada".into(), "bob".into(), "nobody".into()]).await?.users;
    expect("live", users.iter().map(|user| user.live).collect(), vec![true, true, false])?;
    expect("the status of bob", users[1].status(), Status::Busy)?;
    let message = CountsRequest { scopes: vec!["unary".into()], ..CountsRequest::default() };
    let counts = node.counts(request(message)).await?.into_inner().scopes.remove(0);
    expect("live, online, busy", (counts.live, counts.online, counts.busy), (2, 1, 1))
}

pub async fn stream() -> Result<(), Failure> {
    let mut node = presence("MUSTER_PLAIN").await?;
    touch(&mut node, "stream", vec![online("ada")]).await?;
    let mut watch = Watch::begin(&mut node, "stream").await?;
    expect("the snapshot", watch.snapshot().await?, vec!["ada".to_string()])?;
    touch(&mut node, "stream", vec![online("bob")]).await?;
    expect_change(&watch.change().await?, ChangeKind::Joined, "bob")?;
    touch(&mut node, "stream", vec![busy("bob")]).await?;
    let updated = watch.change().await?;
    expect_change(&updated, ChangeKind::Updated, "bob")?;
    expect("the status of bob", updated.user.unwrap_or_default().status(), Status::Busy)?;
    let departure = Departure { user: "bob".into(), ..Departure::default() };
    let message = LeaveRequest { scope: "stream".into(), departures: vec![departure], ..LeaveRequest::default() };
    node.leave(request(message)).await?;
    let left = watch.change().await?;
    expect_change(&left, ChangeKind::Left, "bob")?;
    expect("the reason", left.reason(), LeaveReason::Left)
}

fn expect_change(change: &Change, kind: ChangeKind, user: &str) -> Result<(), Failure> {
    let found = change.user.as_ref().map_or("", |user| &user.user);
    expect("the change", (change.kind(), found), (kind, user))
}

pub async fn deadline() -> Result<(), Failure> {
    let mut node = presence("MUSTER_PLAIN").await?;
    let watched = async {
        let mut watch = Watch::begin_for(&mut node, "deadline", Duration::from_millis(300)).await?;
        watch.snapshot().await?;
        watch.change().await
    };
    // tonic's own timer runs until an answer begins; from then on it is the node that ends the call.
    expect_refusal(watched.await, &[Code::DeadlineExceeded])?;
    let mut message = Request::new(NodesRequest {});
    message.set_timeout(Duration::from_secs(10));
    node.nodes(message).await?;
    Ok(())
}

pub async fn cancel() -> Result<(), Failure> {
    let mut node = presence("MUSTER_ONE_WATCH").await?;
    let mut first = Watch::begin(&mut node, "cancel").await?;
    first.snapshot().await?;
    let second = async { Watch::begin(&mut node, "cancel").await?.snapshot().await };
    expect_refusal(second.await, &[Code::ResourceExhausted])?;
    // This cancels the call: nobody is left who could be told CANCELLED.
    drop(first);
    let begun = Instant::now();
    loop {
        match watch_join(&mut node).await {
            Err(refusal) if refusal.code() == Code::ResourceExhausted && begun.elapsed() < Duration::from_secs(10) => {
                sleep(Duration::from_millis(10)).await;
            }
            change => return expect_change(&change?, ChangeKind::Joined, "ada"),
        }
    }
}

/// The first change of a watch, after whose snapshot a user is touched.
async fn watch_join(node: &mut Presence) -> Result<Change, tonic::Status> {
    let mut watch = Watch::begin(node, "cancel").await?;
    watch.snapshot().await?;
    touch(node, "cancel", vec![online("ada")]).await?;
    watch.change().await
}

pub async fn metadata() -> Result<(), Failure> {
    let mut node = presence("MUSTER_PLAIN").await?;
    node.nodes(padded(8 * 1024)?).await?;
    expect_refusal(node.nodes(padded(20 * 1024)?).await, &[Code::ResourceExhausted, Code::Internal])?;
    Ok(ask_nodes(&mut node).await?)
}

fn padded(bytes: usize) -> Result<Request<NodesRequest>, Failure> {
    let mut padded = request(NodesRequest {});
    padded.metadata_mut().insert("muster-padding", "x".repeat(bytes).parse()?);
    Ok(padded)
}

pub async fn message_limit() -> Result<(), Failure> {
    let mut node = presence("MUSTER_PLAIN").await?;
    let large = Beat { state: vec![0; 2 * 1024 * 1024], ..online("ada") };
    expect_refusal(touch(&mut node, "message-limit", vec![large]).await, &[Code::ResourceExhausted])?;
    Ok(ask_nodes(&mut node).await?)
}

pub async fn invalid_argument() -> Result<(), Failure> {
    let mut node = presence("MUSTER_PLAIN").await?;
    let refusal = expect_refusal(touch(&mut node, "invalid-argument", vec![online("")]).await, &[Code::InvalidArgument])?;
    if refusal.message().contains("user") {
        return Ok(());
    }
    Err(format!("the message does not name the user: {}", refusal.message()).into())
}

pub async fn compression() -> Result<(), Failure> {
    let mut node =
        presence("MUSTER_MEASURED").await?.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    let names: Vec<String> = (0..5000).map(|i| format!("compressed-{i:04}")).collect();
    let beats = names.iter().map(online).collect();
    expect("joined", touch(&mut node, "compression", beats).await?, 5000)?;
    let message = ListRequest { scope: "compression".into(), page_size: 5000, ..ListRequest::default() };
    let users = node.list(request(message)).await?.into_inner().users;
    let mut listed: Vec<String> = users.into_iter().map(|user| user.user).collect();
    listed.sort();
    if listed == names { Ok(()) } else { Err(format!("{} users are listed, not the 5000 touched", listed.len()).into()) }
}

pub async fn reuse() -> Result<(), Failure> {
    let node = presence("MUSTER_COUNTED").await?;
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        let mut node = node.clone();
        calls.spawn(async move { live(&mut node, "reuse", vec!["ada".into()]).await });
    }
    while let Some(call) = calls.join_next().await {
        expect("users", call??.users.len(), 1)?;
    }
    Ok(())
}

pub async fn health() -> Result<(), Failure> {
    let mut health = HealthClient::new(channel("MUSTER_PLAIN").await?);
    let mut check = async |service: &str| {
        let message = HealthCheckRequest { service: service.into() };
        health.check(request(message)).await.map(|answer| answer.into_inner().status)
    };
    let serving = ServingStatus::Serving as i32;
    expect("the node", check("").await?, serving)?;
    expect("the service", check("muster.v1.Presence").await?, serving)?;
    expect_refusal(check("muster.v1.Nothing").await, &[Code::NotFound])?;
    Ok(())
}

pub async fn tls() -> Result<(), Failure> {
    Ok(ask_nodes(&mut tls_presence("MUSTER_TLS", trusting_ca()?).await?).await?)
}

pub async fn mutual_tls() -> Result<(), Failure> {
    let identity = Identity::from_pem(file("MUSTER_CLIENT_CERT")?, file("MUSTER_CLIENT_KEY")?);
    ask_nodes(&mut tls_presence("MUSTER_MUTUAL_TLS", trusting_ca()?.identity(identity)).await?).await?;
    // With TLS 1.3 the node refuses after the client's handshake, so that the channel may be there, and the first call fails.
    match tls_presence("MUSTER_MUTUAL_TLS", trusting_ca()?).await {
        Ok(mut stranger) => match ask_nodes(&mut stranger).await {
            Ok(()) => Err("answered without a certificate".into()),
            Err(_) => Ok(()),
        },
        Err(_) => Ok(()),
    }
}

fn trusting_ca() -> Result<ClientTlsConfig, Failure> {
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(file("MUSTER_CA")?)))
}

fn file(variable: &str) -> Result<Vec<u8>, Failure> {
    Ok(fs::read(variable_of(variable)?)?)
}
