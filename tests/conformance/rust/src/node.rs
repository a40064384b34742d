//! A channel to a node, the requests that cases make, and what they expect.

use std::env;
use std::fmt::Debug;
use std::time::Duration;

use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use crate::Failure;
use crate::presence::presence_client::PresenceClient;
use crate::presence::{Beat, LiveRequest, LiveResponse, NodesRequest, Status as UserStatus, TouchRequest};

pub type Presence = PresenceClient<Channel>;

pub const DEADLINE: Duration = Duration::from_secs(20);

/// In the clear, to the address that an environment variable has.
pub async fn channel(variable: &str) -> Result<Channel, Failure> {
    Ok(Endpoint::from_shared(format!("http://{}", variable_of(variable)?))?.connect().await?)
}

pub async fn presence(variable: &str) -> Result<Presence, Failure> {
    Ok(Presence::new(channel(variable).await?))
}

pub async fn tls_presence(variable: &str, tls: ClientTlsConfig) -> Result<Presence, Failure> {
    let endpoint = Endpoint::from_shared(format!("https://{}", variable_of(variable)?))?.tls_config(tls)?;
    Ok(Presence::new(endpoint.connect().await?))
}

pub fn variable_of(name: &str) -> Result<String, Failure> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

/// A request with the deadline of all calls.
pub fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

pub fn online(user: impl Into<String>) -> Beat {
    Beat { user: user.into(), ..Beat::default() }
}

pub fn busy(user: &str) -> Beat {
    Beat { status: UserStatus::Busy.into(), ..online(user) }
}

/// How many joined.
pub async fn touch(presence: &mut Presence, scope: &str, beats: Vec<Beat>) -> Result<u32, Status> {
    let message = TouchRequest { scope: scope.into(), beats, ..TouchRequest::default() };
    Ok(presence.touch(request(message)).await?.into_inner().joined)
}

pub async fn live(presence: &mut Presence, scope: &str, users: Vec<String>) -> Result<LiveResponse, Status> {
    let message = LiveRequest { scope: scope.into(), users, ..LiveRequest::default() };
    Ok(presence.live(request(message)).await?.into_inner())
}

pub async fn ask_nodes(presence: &mut Presence) -> Result<(), Status> {
    presence.nodes(request(NodesRequest {})).await.map(drop)
}

pub fn expect<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), Failure> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}").into()) }
}

/// The status with which a call failed: one of the codes that are expected.
pub fn expect_refusal<T>(result: Result<T, Status>, expected: &[Code]) -> Result<Status, Failure> {
    match result {
        Err(status) if expected.contains(&status.code()) => Ok(status),
        Err(status) => Err(format!("{status}, not {expected:?}").into()),
        Ok(_) => Err(format!("answered, not {expected:?}").into()),
    }
}
