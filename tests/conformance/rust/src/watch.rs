//! A watch of a scope: a snapshot, then changes. Dropping it cancels the call.

use std::collections::VecDeque;
use std::time::Duration;

use tonic::{Request, Status, Streaming};

use crate::node::{DEADLINE, Presence};
use crate::presence::{Change, WatchRequest, WatchResponse};

pub struct Watch {
    answers: Streaming<WatchResponse>,
    changes: VecDeque<Change>,
}

impl Watch {
    pub async fn begin(presence: &mut Presence, scope: &str) -> Result<Watch, Status> {
        Watch::begin_for(presence, scope, DEADLINE).await
    }

    pub async fn begin_for(presence: &mut Presence, scope: &str, deadline: Duration) -> Result<Watch, Status> {
        let mut request = Request::new(WatchRequest { scope: scope.into(), ..WatchRequest::default() });
        request.set_timeout(deadline);
        let answers = presence.watch(request).await?.into_inner();
        Ok(Watch { answers, changes: VecDeque::new() })
    }

    /// The names of the users who are present. To be read first.
    pub async fn snapshot(&mut self) -> Result<Vec<String>, Status> {
        let mut present = Vec::new();
        loop {
            let answer = self.answer().await?;
            present.extend(answer.present.into_iter().map(|user| user.user));
            self.changes.extend(answer.changes);
            if !answer.more {
                return Ok(present);
            }
        }
    }

    pub async fn change(&mut self) -> Result<Change, Status> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Ok(change);
            }
            self.changes = self.answer().await?.changes.into();
        }
    }

    async fn answer(&mut self) -> Result<WatchResponse, Status> {
        self.answers.message().await?.ok_or_else(|| Status::data_loss("the watch ended without an error"))
    }
}
