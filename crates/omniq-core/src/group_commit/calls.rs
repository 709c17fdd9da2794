//! Single calls of many callers, sent together. Each caller gets its own answer.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::answers::{MANY, between_polls};
use super::detach::DetachOnDrop;
use super::flush::Flush;
use super::{Again, GroupCommit, GroupWriter, Rule};
use crate::{Error, Result};

/// Sends calls.
pub trait CallWriter: Send + Sync + 'static {
    /// What a caller asks for, checked already.
    type Request: Send + Sync + 'static;
    /// What a caller gets.
    type Answer: Send + 'static;

    /// What a call is, for errors: "enqueue".
    const NAME: &'static str;

    /// The bytes of a request, as [`Rule::most_bytes`] counts them.
    fn bytes(&self, request: &Self::Request) -> usize;

    /// Carries out these requests, all or none, and returns one answer for each in the same order.
    fn send(&self, requests: &[Self::Request]) -> impl Future<Output = Result<Vec<Self::Answer>>> + Send;

    /// Whether a single request may be the cause of this error, and nothing was carried out. Each request is then sent by
    /// itself, so that it fails its own caller only; otherwise all callers get the error.
    fn may_be_of_one(&self, error: &Error) -> bool;
}

/// Calls that arrive while others are in flight are sent together.
#[derive(Debug)]
pub struct Calls<W: CallWriter>(pub(super) Arc<GroupCommit<Answering<W>>>);

pub(super) struct Answering<W>(W);

pub(super) struct Call<W: CallWriter> {
    request: W::Request,
    bytes: usize,
    answer: oneshot::Sender<Answer<W>>,
}

enum Answer<W: CallWriter> {
    Sent(Result<W::Answer>),
    /// The request was not sent, and no other flush will send it.
    NotSent(W::Request),
}

impl<W: CallWriter> Calls<W> {
    /// No call is in flight yet.
    pub fn new(writer: W, rule: Rule) -> Self {
        Self(GroupCommit::new(Answering(writer), rule))
    }

    /// Sends a request, alone or with others, and returns its answer. If this future is dropped, the request goes on,
    /// unless the runtime that was to send it ends before it does.
    ///
    /// Errors: those of the writer; `is_unavailable` if the runtime in which it was sent has ended.
    pub async fn call(&self, request: W::Request) -> Result<W::Answer> {
        if let Some(flush) = self.0.alone() {
            return self.send_here(request, Some(flush)).await;
        }
        let (answer, answered) = oneshot::channel();
        let bytes = self.0.writer().0.bytes(&request);
        self.0.add(Call { request, bytes, answer });
        match answered.await {
            Ok(Answer::Sent(answer)) => answer,
            Ok(Answer::NotSent(request)) => self.send_here(request, None).await,
            Err(_) => Err(Error::unavailable(format!(
                "the runtime that sent this {} ended: whether it was carried out is not known",
                W::NAME
            ))),
        }
    }

    /// Sends one request where it is awaited, without a Tokio task, which would wake other threads: slow on machines
    /// where a thread takes long to wake.
    async fn send_here(&self, request: W::Request, flush: Option<Flush<Answering<W>>>) -> Result<W::Answer> {
        let group = Arc::clone(&self.0);
        DetachOnDrop::new(async move {
            let answer = group.writer().send_one(&[request]).await;
            if let Some(flush) = flush {
                flush.finish();
            }
            answer
        })
        .await
    }
}

impl<W: CallWriter> Answering<W> {
    async fn send_one(&self, request: &[W::Request]) -> Result<W::Answer> {
        let mut answers = self.0.send(request).await?;
        answers.pop().ok_or_else(|| Error::internal(format!("one {} gave no answer", W::NAME)))
    }
}

impl<W: CallWriter> GroupWriter for Answering<W> {
    type Item = Call<W>;

    fn bytes(&self, call: &Call<W>) -> usize {
        call.bytes
    }

    async fn write(&self, calls: Vec<Call<W>>) -> Option<Again<Call<W>>> {
        let (requests, callers): (Vec<_>, Vec<_>) =
            calls.into_iter().map(|call| (call.request, call.answer)).unzip();
        match self.0.send(&requests).await {
            Ok(answers) => {
                let answered = answers.into_iter().zip(callers);
                let many = requests.len() >= MANY;
                let give = || answered.for_each(|(answer, caller)| respond(caller, Ok(answer)));
                if many { between_polls(give) } else { give() }
            }
            Err(error) if requests.len() > 1 && self.0.may_be_of_one(&error) => {
                for (request, caller) in requests.iter().zip(callers) {
                    respond(caller, self.send_one(std::slice::from_ref(request)).await);
                }
            }
            Err(error) => callers.into_iter().for_each(|caller| respond(caller, Err(error.clone()))),
        }
        None
    }

    fn never_written(&self, calls: Vec<Call<W>>) {
        for call in calls {
            drop(call.answer.send(Answer::NotSent(call.request)));
        }
    }
}

fn respond<W: CallWriter>(caller: oneshot::Sender<Answer<W>>, answer: Result<W::Answer>) {
    // A caller that was dropped ignores its answer.
    drop(caller.send(Answer::Sent(answer)));
}
