//! iceoryx2, request and response: polling, or waiting for events.

use crate::arguments::Work;
use crate::failure::Failure;
use crate::ipc::{PIECE, Payload, answer};
use crate::measure::Subject;
use crate::server::say_ready;
use iceoryx2::active_request::ActiveRequest;
use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client::Client;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::{ListenerKey, Notifier};
use iceoryx2::port::server::Server;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::request_response;
use std::collections::HashMap;
use std::fmt::Debug;
use std::path::Path as FilePath;

type Kind = ipc_threadsafe::Service;
type Factory = request_response::PortFactory<Kind, [u8], u64, [u8], ()>;
type Call = ActiveRequest<Kind, [u8], u64, [u8], ()>;

/// Turns before a loop yields in each.
const TIGHT: u32 = 200;
/// Everybody who can take part: the table that each side has to look through is no longer than this.
const MOST: usize = 16;

/// Its errors have no sentence, only a name.
trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, Failure>;
}

impl<T, E: Debug> Doing<T> for Result<T, E> {
    fn doing(self, doing: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{doing} with iceoryx2: {error:?}")))
    }
}

/// What the names of its files in shared memory begin with: they are of this run.
fn prefix(directory: &FilePath) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("resmgr_bench_{name}_")
}

/// Removes the files of that name.
pub(super) fn sweep(directory: &FilePath) {
    let prefix = prefix(directory);
    for file in std::fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten()
    {
        if file.file_name().to_string_lossy().starts_with(&prefix) {
            // Gone already is gone.
            let _removed = std::fs::remove_file(file.path());
        }
    }
}

fn node() -> Result<Node<Kind>, Failure> {
    set_log_level(LogLevel::Error);
    let directory = std::env::temp_dir();
    let root = directory.join("iceoryx2");
    let root = root.to_string_lossy();
    let mut config = Config::default();
    config.global.prefix = FileName::new(prefix(&directory).as_bytes()).doing("name its files")?;
    let root = Path::new(root.as_bytes()).doing("place its files")?;
    config.global.set_root_path(&root);
    let node = NodeBuilder::new().config(&config).create::<Kind>();
    node.doing("make a node")
}

/// The service of a path.
fn name(at: &str, what: &str) -> Result<ServiceName, Failure> {
    let name = format!("{}{what}", at.rsplit('/').next().unwrap_or(at));
    ServiceName::new(&name).doing("name a service")
}

fn server(node: &Node<Kind>, at: &str, work: Work) -> Result<(Factory, Ports), Failure> {
    let service = node
        .service_builder(&name(at, "")?)
        .request_response::<[u8], [u8]>()
        .request_user_header::<u64>()
        .max_clients(MOST)
        .max_nodes(2 * MOST)
        .max_active_requests_per_client(1)
        .max_response_buffer_size(1)
        .max_borrowed_responses_per_pending_response(1)
        .create();
    let service = service.doing("make a service")?;
    let server = service
        .server_builder()
        .initial_max_slice_len(work.reply)
        .allocation_strategy(AllocationStrategy::PowerOfTwo)
        .create();
    Ok((service, server.doing("make a server")?))
}

type Ports = Server<Kind, [u8], u64, [u8], ()>;

fn client(
    node: &Node<Kind>,
    at: &str,
    work: Work,
) -> Result<Client<Kind, [u8], u64, [u8], ()>, Failure> {
    let service = node
        .service_builder(&name(at, "")?)
        .request_response::<[u8], [u8]>()
        .request_user_header::<u64>()
        .open();
    let client = service
        .doing("open a service")?
        .client_builder()
        .initial_max_slice_len(work.request)
        .allocation_strategy(AllocationStrategy::PowerOfTwo)
        .create();
    client.doing("make a client")
}

/// Sends a copy of the request.
fn send(
    client: &Client<Kind, [u8], u64, [u8], ()>,
    id: u64,
    request: &[u8],
) -> Result<PendingResponse<Kind, [u8], u64, [u8], ()>, Failure> {
    let mut loan = client.loan_slice_uninit(request.len()).doing("loan")?;
    *loan.user_header_mut() = id;
    loan.write_from_slice(request).send().doing("send")
}

/// Answers with a copy of the reply.
fn respond(call: &Call, reply: &[u8]) -> Result<(), Failure> {
    let loan = call.loan_slice_uninit(reply.len()).doing("loan")?;
    // A client that has gone needs no answer.
    let _gone = loan.write_from_slice(reply).send();
    Ok(())
}

/// Never sleeps.
pub(super) struct Poller {
    client: Client<Kind, [u8], u64, [u8], ()>,
    payload: Payload,
    loaned: bool,
    _node: Node<Kind>,
}

impl Poller {
    /// `loaned`: the request is made where it lies.
    pub(super) fn connect(address: &str, work: Work, loaned: bool) -> Result<Self, Failure> {
        let node = node()?;
        Ok(Self {
            client: client(&node, address, work)?,
            payload: Payload::new(work),
            loaned,
            _node: node,
        })
    }

    /// Sends a request that is written where it lies: filled, and then both stamps.
    fn send_loaned(&self) -> Result<PendingResponse<Kind, [u8], u64, [u8], ()>, Failure> {
        let request = &self.payload.request;
        let len = request.len();
        let mut loan = self.client.loan_slice_uninit(len).doing("loan")?;
        *loan.user_header_mut() = 0;
        // A loop of one constant becomes one fill.
        let mut loan = loan.write_from_fn(|_| 3);
        let (payload, end) = (loan.payload_mut(), len - 8);
        payload[..8].copy_from_slice(&request[..8]);
        payload[end..].copy_from_slice(&request[end..]);
        loan.send().doing("send")
    }
}

impl Subject for Poller {
    fn name(&self) -> &'static str {
        "iceoryx2"
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.payload.stamp();
        let pending = if self.loaned {
            self.send_loaned()?
        } else {
            send(&self.client, 0, &self.payload.request)?
        };
        let mut turns = 0;
        loop {
            if let Some(response) = pending.receive().doing("receive")? {
                return self.payload.check_in(response.payload());
            }
            turn(&mut turns);
        }
    }
}

fn turn(turns: &mut u32) {
    *turns += 1;
    if *turns > TIGHT {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// The server's side of [`Poller`]; `loaned`: the request is read where it lies, piece by piece.
pub(super) fn serve_polling(at: &str, work: Work, loaned: bool) -> Result<(), Failure> {
    let node = node()?;
    let (_service, server) = server(&node, at, work)?;
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    say_ready(at)?;
    let mut turns = 0;
    loop {
        let Some(call) = server.receive().doing("receive")? else {
            turn(&mut turns);
            continue;
        };
        turns = 0;
        let payload: &[u8] = &call;
        if loaned {
            for (index, piece) in payload.chunks(PIECE).enumerate() {
                let at = index.min(1) * PIECE;
                request[at..at + piece.len()].copy_from_slice(piece);
                std::hint::black_box(&mut request);
            }
            answer(work.service(), payload, &mut reply);
        } else {
            request.copy_from_slice(payload);
            answer(work.service(), &request, &mut reply);
        }
        respond(&call, &reply)?;
    }
}

/// Waits for events: one listener for each client.
pub(super) struct Waiter {
    client: Client<Kind, [u8], u64, [u8], ()>,
    payload: Payload,
    id: u64,
    bell: Notifier<Kind>,
    own: Listener<Kind>,
    _node: Node<Kind>,
}

impl Waiter {
    pub(super) fn connect(address: &str, work: Work) -> Result<Self, Failure> {
        let node = node()?;
        // One for each process.
        let id = u64::from(std::process::id());
        let requests = node.service_builder(&name(address, "-req")?).event().open();
        let replies = node.service_builder(&name(address, "-rep")?).event().open();
        let bell = requests.doing("open a bell")?.notifier_builder().create();
        let port = PortName::new(&listener_of(id)).doing("name a listener")?;
        let replies = replies.doing("open a bell")?;
        let own = replies.listener_builder().name(&port).create();
        Ok(Self {
            client: client(&node, address, work)?,
            payload: Payload::new(work),
            id,
            bell: bell.doing("make a bell")?,
            own: own.doing("make a listener")?,
            _node: node,
        })
    }
}

fn listener_of(id: u64) -> String {
    format!("c{id}")
}

impl Subject for Waiter {
    fn name(&self) -> &'static str {
        "iceoryx2"
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.payload.stamp();
        let pending = send(&self.client, self.id, &self.payload.request)?;
        self.bell.notify().doing("ring")?;
        loop {
            if let Some(response) = pending.receive().doing("receive")? {
                return self.payload.check_in(response.payload());
            }
            self.own.blocking_wait(|_| {}).doing("wait")?;
        }
    }
}

/// The server's side of [`Waiter`].
pub(super) fn serve_waiting(at: &str, work: Work) -> Result<(), Failure> {
    let node = node()?;
    let (_service, server) = server(&node, at, work)?;
    let event = |what: &str| {
        let service = node
            .service_builder(&name(at, what)?)
            .event()
            .max_listeners(MOST)
            .max_notifiers(MOST)
            .max_nodes(2 * MOST)
            .create();
        service.doing("make a bell")
    };
    let (requests, replies) = (event("-req")?, event("-rep")?);
    let own = requests.listener_builder().create().doing("listen")?;
    let mut bells = Bells {
        notifier: replies.notifier_builder().create().doing("make a bell")?,
        keys: HashMap::new(),
    };
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    say_ready(at)?;
    loop {
        while let Some(call) = server.receive().doing("receive")? {
            let payload: &[u8] = &call;
            request.copy_from_slice(payload);
            answer(work.service(), &request, &mut reply);
            let id = *call.user_header();
            respond(&call, &reply)?;
            drop(call);
            bells.ring(id);
        }
        own.blocking_wait(|_| {}).doing("wait")?;
    }
}

/// The clients' listeners, found by name once.
struct Bells {
    notifier: Notifier<Kind>,
    keys: HashMap<u64, ListenerKey>,
}

impl Bells {
    fn ring(&mut self, id: u64) {
        if let Some(key) = self.keys.get(&id)
            && self.notifier.notify_single_listener(key).is_ok()
        {
            return;
        }
        let (wanted, keys) = (listener_of(id), &mut self.keys);
        self.notifier.for_each_listener(|listener, details| {
            if details.listener_name.to_string() != wanted {
                return CallbackProgression::Continue;
            }
            // A client that has gone needs no ring.
            let _gone = listener.notify();
            keys.insert(id, listener.listener_key());
            CallbackProgression::Stop
        });
    }
}
