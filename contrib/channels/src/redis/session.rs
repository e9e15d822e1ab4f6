//! One connection to one server, for as long as it holds, and then the next.
//!
//! Rules of this room: it never gives up and never hurries; what this process is in is told again at each connection, and whoever waits here
//! hears of the gap; a connection that does not answer counts as lost; what comes in is handed on without waiting for anybody.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ::redis::AsyncConnectionConfig;
use ::redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};

use super::frame::{self, Answer, Head, Reply};
use super::{Shard, Shared, unavailable};
use crate::{Error, Gap, Missed, Result};

/// The pause after the first attempt that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Groups that are told to a server in one step.
const AT_ONCE: usize = 500;

/// What is on its way to other processes: where to, and the frame.
type Outgoing = mpsc::UnboundedSender<(String, Vec<u8>)>;

/// Keeps a connection to a server, until it is aborted.
pub(super) async fn keep(shared: Arc<Shared>, shard: usize) {
    let here = &shared.shards[shard];
    let mut pause = FIRST_PAUSE;
    let mut attached = false;
    let mut before = false;
    loop {
        let reason = match session(&shared, shard, before, &mut attached).await {
            Ok(()) => "it closed the connection".to_owned(),
            Err(Error::Unavailable(reason)) => reason,
            Err(error) => error.to_string(),
        };
        *here.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
        here.connection.send_replace(None);
        if std::mem::take(&mut attached) {
            tracing::warn!(server = %here.server, reason, "the channel layer lost its server");
            (before, pause) = (true, FIRST_PAUSE);
        } else {
            tracing::debug!(server = %here.server, reason, ?pause, "the channel layer cannot reach its server");
            pause = (pause * 2).min(shared.retry_at_most);
        }
        // Not all processes at the same moment.
        let share = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        tokio::time::sleep(pause.mul_f64(0.5 + share / 2.0)).await;
    }
}

/// One connection, from its beginning to its end.
async fn session(
    shared: &Arc<Shared>,
    shard: usize,
    again: bool,
    attached: &mut bool,
) -> Result<()> {
    let here = &shared.shards[shard];
    let (mut connection, (ear, messages), last) = within(shared, attach(shared, shard)).await?;
    tell_all(shared, shard, &mut connection).await?;
    if again {
        shared.local.miss_everywhere(Gap { reason: Missed::Disconnected, count: None });
    }
    *attached = true;
    tracing::debug!(server = %here.server, "the channel layer has its server");
    here.connection.send_replace(Some(connection.clone()));
    let (outgoing, answers) = mpsc::unbounded_channel();
    tokio::select! {
        () = listen(shared, messages, last, &outgoing) => Ok(()),
        error = renew(shared, shard, connection.clone(), ear) => Err(error),
        error = tell(shared, shard, connection.clone()) => Err(error),
        error = speak(connection, answers) => Err(error),
    }
}

async fn within<T>(shared: &Shared, call: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(shared.timeout, call).await {
        Ok(result) => result,
        Err(_) => Err(Error::late("Redis", shared.timeout)),
    }
}

/// Connects, listens, and says that this process lives; gives the number of the last message that was sent to it.
async fn attach(
    shared: &Shared,
    shard: usize,
) -> Result<(MultiplexedConnection, (PubSubSink, PubSubStream), u64)> {
    let client = shared.shards[shard].server.client().await?;
    let mut listener = client.get_async_pubsub().await.map_err(unavailable)?;
    let topics = [shared.inbox(&shared.process), shared.wake_topic(), shared.flush_topic()];
    listener.subscribe(&topics).await.map_err(unavailable)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(shared.timeout))
        .set_response_timeout(Some(shared.timeout));
    let mut connection =
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(unavailable)?;
    sign_of_life(shared, &mut connection).await?;
    let last: Option<u64> = ::redis::cmd("GET")
        .arg(shared.number_key(&shared.process))
        .query_async(&mut connection)
        .await
        .map_err(unavailable)?;
    Ok((connection, listener.split(), last.unwrap_or(0)))
}

/// Says that this process lives; gives whether it still counted as living before.
async fn sign_of_life(shared: &Shared, connection: &mut MultiplexedConnection) -> Result<bool> {
    let lease = shared.lease.as_millis() as u64;
    let (before,): (Option<u8>,) = ::redis::pipe()
        .cmd("SET")
        .arg(shared.lease_key(&shared.process))
        .arg(1)
        .arg("PX")
        .arg(lease)
        .arg("GET")
        // The numbers outlive a lease by far, or a process that comes back late would not know what it missed.
        .cmd("PEXPIRE")
        .arg(shared.number_key(&shared.process))
        .arg(lease * 1_000)
        .ignore()
        .query_async(connection)
        .await
        .map_err(unavailable)?;
    Ok(before.is_some())
}

/// Says every third of a lease that this process lives, and whenever a call gave reason to doubt that the connection does; and sees whether the
/// other connection, on which it listens, is answered still: who hears nothing on it cannot tell silence from a loss.
async fn renew(
    shared: &Shared,
    shard: usize,
    mut connection: MultiplexedConnection,
    mut ear: PubSubSink,
) -> Error {
    let inbox = shared.inbox(&shared.process);
    loop {
        let doubted = shared.shards[shard].doubted.notified();
        let _ = tokio::time::timeout(shared.lease / 3, doubted).await;
        match sign_of_life(shared, &mut connection).await {
            Ok(true) => {}
            // Others have struck its members off by now: everything is told anew.
            Ok(false) => {
                return Error::Unavailable("the lease of this process had run out".to_owned());
            }
            Err(error) => return error,
        }
        // It listens there already, and is told so again.
        let heard = async { ear.subscribe(&inbox).await.map_err(unavailable) };
        if let Err(error) = within(shared, heard).await {
            return error;
        }
    }
}

/// Tells the server all groups of this process that it holds.
async fn tell_all(
    shared: &Shared,
    shard: usize,
    connection: &mut MultiplexedConnection,
) -> Result<()> {
    let groups: Vec<_> = shared
        .local
        .groups()
        .into_iter()
        .filter(|group| shared.ring.shard(group) == shard)
        .collect();
    for some in groups.chunks(AT_ONCE) {
        count(shared, some.iter(), connection).await?;
    }
    Ok(())
}

/// Tells the server how many channels of this process are in these groups.
async fn count(
    shared: &Shared,
    groups: impl Iterator<Item = &String>,
    connection: &mut MultiplexedConnection,
) -> Result<()> {
    let mut pipe = ::redis::pipe();
    for group in groups {
        let (key, count) = (shared.group_key(group), shared.local.count(group));
        if count == 0 {
            pipe.cmd("HDEL").arg(key).arg(&shared.process).ignore();
            continue;
        }
        pipe.cmd("HSET").arg(&key).arg(&shared.process).arg(count).ignore();
        let expiry = shared.local.config().group_expiry.as_millis() as u64;
        pipe.cmd("PEXPIRE").arg(key).arg(expiry + 60_000).ignore();
    }
    pipe.query_async(connection).await.map_err(unavailable)
}

/// Changes on their way to the server, and who waits for each. Those of which it is not known whether they arrived are told again at the next
/// connection: a group that the last one here has left is in nobody's list any more.
struct Untold<'a> {
    here: &'a Shard,
    groups: HashMap<String, Vec<oneshot::Sender<Result<()>>>>,
}

impl Drop for Untold<'_> {
    fn drop(&mut self) {
        for (group, waits) in self.groups.drain() {
            self.here.untold(group, waits);
        }
    }
}

/// Tells the server of each change, many at once where many came, and those who wait for it.
async fn tell(shared: &Shared, shard: usize, mut connection: MultiplexedConnection) -> Error {
    let here = &shared.shards[shard];
    loop {
        let changed = here.changed.notified();
        let mut untold = Untold { here, groups: here.take_dirty() };
        if untold.groups.is_empty() {
            changed.await;
            continue;
        }
        let names: Vec<_> = untold.groups.keys().cloned().collect();
        for some in names.chunks(AT_ONCE) {
            if let Err(error) = count(shared, some.iter(), &mut connection).await {
                for wait in untold.groups.values_mut().flat_map(std::mem::take) {
                    let _ = wait.send(Err(error.clone()));
                }
                return error;
            }
        }
        for wait in untold.groups.drain().flat_map(|(_, waits)| waits) {
            let _ = wait.send(Ok(()));
        }
    }
}

/// Sends what this process answers, many at once where many came.
async fn speak(
    mut connection: MultiplexedConnection,
    mut answers: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
) -> Error {
    let mut some = Vec::new();
    while answers.recv_many(&mut some, AT_ONCE).await > 0 {
        let mut pipe = ::redis::pipe();
        for (topic, frame) in some.drain(..) {
            pipe.cmd("PUBLISH").arg(topic).arg(frame).ignore();
        }
        if let Err(error) = pipe.query_async::<()>(&mut connection).await {
            return unavailable(error);
        }
    }
    Error::Unavailable("nobody speaks any more".to_owned())
}

/// Takes in what is said to this process, until the connection ends.
async fn listen(
    shared: &Arc<Shared>,
    mut messages: PubSubStream,
    mut last: u64,
    outgoing: &Outgoing,
) {
    let (wake, flush) = (shared.wake_topic(), shared.flush_topic());
    while let Some(message) = messages.next().await {
        let (topic, payload) = (message.get_channel_name(), message.get_payload_bytes());
        if topic == wake {
            let mailbox =
                std::str::from_utf8(payload).ok().and_then(|name| shared.local.find(name));
            if let Some(mailbox) = mailbox {
                mailbox.stir();
            }
        } else if topic == flush {
            shared.local.clear();
        } else {
            match frame::read(Bytes::copy_from_slice(payload)) {
                Some((number, head, message)) => {
                    if number > last + 1 {
                        let gap =
                            Gap { reason: Missed::Disconnected, count: Some(number - last - 1) };
                        shared.local.miss_everywhere(gap);
                    }
                    last = last.max(number);
                    take_in(shared, head, message, outgoing);
                }
                None => {
                    tracing::warn!("a message between processes cannot be read, and is dropped")
                }
            }
        }
    }
}

fn take_in(shared: &Arc<Shared>, head: Head, message: Bytes, outgoing: &Outgoing) {
    let answer = |reply: Reply, answer: Answer| {
        let answer = Answer { process: shared.process.clone(), ..answer };
        let head = Head::Answer { question: reply.question, answer };
        if let Ok(mut frame) = frame::write(&head, &[]) {
            // Answers have no number: who misses one has a limit to its wait.
            frame.splice(0..0, *b"0:");
            let _ = outgoing.send((shared.inbox(&reply.process), frame));
        }
    };
    match head {
        Head::Answer { question, answer } => {
            if let Some(waits) = shared.questions().get(&question) {
                let _ = waits.send(answer);
            }
        }
        Head::Message { channel, reply } => {
            let Some(mailbox) = shared.local.find(&channel) else {
                return answer(reply, Answer { gone: true, ..Answer::default() });
            };
            let message = match shared.keys.open(message) {
                Ok(message) => message,
                Err(error) => return tracing::warn!(channel, %error, "a message is dropped"),
            };
            let room = mailbox.push(message, shared.local.deadline());
            let (delivered, full) = (u64::from(room), u64::from(!room));
            let capacity = mailbox.capacity();
            answer(reply, Answer { delivered, full, capacity, ..Answer::default() });
        }
        Head::Group { group, reply } => match shared.keys.open(message) {
            Ok(message) => {
                let delivery = shared.local.fan_out(&group, &message);
                let (delivered, full) = (delivery.delivered, delivery.full);
                answer(reply, Answer { delivered, full, ..Answer::default() });
            }
            Err(error) => tracing::warn!(group, %error, "a message is dropped"),
        },
        Head::Members { group, reply } => {
            let members = shared.local.members(&group);
            answer(reply, Answer { members, ..Answer::default() });
        }
        Head::Join { group, channel, reply } => {
            let gone = !shared.local.join(&group, &channel);
            told(shared, group, reply, Answer { gone, ..Answer::default() }, outgoing);
        }
        Head::Leave { group, channel, reply } => {
            shared.local.leave(&group, &channel);
            told(shared, group, reply, Answer::default(), outgoing);
        }
    }
}

/// Answers once the group's server knows of the change.
fn told(shared: &Arc<Shared>, group: String, reply: Reply, answer: Answer, outgoing: &Outgoing) {
    let (tell, told) = oneshot::channel();
    shared.shards[shared.ring.shard(&group)].tell(&group, Some(tell));
    let (shared, outgoing) = (Arc::clone(shared), outgoing.clone());
    tokio::spawn(async move {
        if !matches!(tokio::time::timeout(shared.timeout, told).await, Ok(Ok(Ok(())))) {
            return;
        }
        let head = Head::Answer { question: reply.question, answer };
        if let Ok(mut frame) = frame::write(&head, &[]) {
            frame.splice(0..0, *b"0:");
            let _ = outgoing.send((shared.inbox(&reply.process), frame));
        }
    });
}
