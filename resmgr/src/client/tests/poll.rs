//! Waiting for files: a server that becomes ready when the test says so.

use super::server::{Answer, Server, bytes, done};
use crate::Errno;
use crate::client::{Conditions, File, NotifyAction, PollFile, Poller, poll};
use crate::ipc::{Channel, Event, EventKind, Message, Scoid};
use crate::wire::{Notify, NotifyReply, Request};
use resmgr_sys::epoll::{Ready, poll_one};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// A server's state: what holds, and whom to tell; as NT-2 and NT-3 have it, one entry for each handle.
#[derive(Default)]
struct State {
    holds: Conditions,
    armed: Vec<(Scoid, i32, Conditions, Event)>,
}

/// Conditions that a test switches on and off.
#[derive(Clone)]
pub(super) struct Switch {
    state: Arc<Mutex<State>>,
    channel: Channel,
}

impl Switch {
    pub(super) fn of(channel: &Channel) -> Self {
        Self {
            state: Arc::default(),
            channel: channel.clone(),
        }
    }

    /// What holds from now on.
    pub(super) fn set(&self, holds: Conditions) {
        let mut state = self.state.lock().unwrap();
        state.holds = holds;
        self.tell(&mut state);
    }

    fn tell(&self, state: &mut State) {
        let holds = state.holds;
        let is_told = |one: &mut (Scoid, i32, Conditions, Event)| one.2.intersects(holds);
        for (who, _, _, event) in state.armed.extract_if(.., is_told) {
            let _ = self.channel.deliver(who, &event);
        }
    }

    fn armed(&self) -> usize {
        self.state.lock().unwrap().armed.len()
    }

    pub(super) fn answer(&self, notify: &Notify, message: &Message) -> Answer {
        let info = message.info();
        let who = (info.scoid, info.coid.raw());
        let mut state = self.state.lock().unwrap();
        let holds = state.holds & notify.conditions;
        let arms = match notify.action {
            NotifyAction::Poll => false,
            NotifyAction::PollArm => holds.is_empty(),
            NotifyAction::TranArm | NotifyAction::CondArm => true,
        };
        if arms {
            state.armed.retain(|one| (one.0, one.1) != who);
            if notify.event.kind() != EventKind::None {
                let one = (who.0, who.1, notify.conditions, notify.event);
                state.armed.push(one);
            }
        }
        if notify.action == NotifyAction::CondArm {
            self.tell(&mut state);
        }
        let reports = matches!(notify.action, NotifyAction::Poll | NotifyAction::PollArm);
        let conditions = if reports { holds } else { Conditions::empty() };
        bytes(0, |out| NotifyReply { conditions }.encode(out))
    }
}

/// A server of one file, and its switch. `asked` gets a word for each question.
fn switched(asked: Option<mpsc::Sender<NotifyAction>>) -> (Server, Switch) {
    let channel = Channel::create(crate::ipc::ChannelFlags::PRIVATE).unwrap();
    let switch = Switch::of(&channel);
    let serving = switch.clone();
    let server = Server::on(channel, move |request: &Request<'_>, message: &Message| {
        let Request::Notify(notify) = request else {
            return done(0);
        };
        let answer = serving.answer(notify, message);
        if let Some(asked) = &asked {
            let _ = asked.send(notify.action);
        }
        answer
    });
    (server, switch)
}

const INPUT: Conditions = Conditions::INPUT;

fn looked(files: &[&File]) -> Vec<Conditions> {
    let mut files: Vec<_> = files.iter().map(|one| PollFile::new(one, INPUT)).collect();
    poll(&mut files, Some(Duration::ZERO)).unwrap();
    files.iter().map(PollFile::ready).collect()
}

#[test]
fn nt7_a_poll_without_time_only_looks() {
    let (server, switch) = switched(None);
    let file = server.file();
    assert_eq!(looked(&[&file]), [Conditions::empty()]);
    switch.set(INPUT | Conditions::OUTPUT);
    assert_eq!(looked(&[&file]), [INPUT]);
    assert_eq!(switch.armed(), 0);
}

#[test]
fn nt7_a_poll_sleeps_until_one_file_is_ready_and_takes_its_events_back() {
    let (asked, questions) = mpsc::channel();
    let (one, other) = (switched(None), switched(Some(asked)));
    let waiter = std::thread::spawn({
        let files = [one.0.file(), other.0.file()];
        move || {
            let mut files = files.each_ref().map(|file| PollFile::new(file, INPUT));
            let found = poll(&mut files, None);
            (found, files.map(|file| file.ready()))
        }
    });
    // It is asked last: both are armed by now.
    assert_eq!(questions.recv(), Ok(NotifyAction::PollArm));
    one.1.set(INPUT);
    let (found, ready) = waiter.join().unwrap();
    assert_eq!((found, ready), (Ok(1), [INPUT, Conditions::empty()]));
    assert_eq!((one.1.armed(), other.1.armed()), (0, 0));
}

#[test]
fn nt7_threads_that_poll_one_file_are_all_told() {
    let (asked, questions) = mpsc::channel();
    let (server, switch) = switched(Some(asked));
    let file = Arc::new(server.file());
    let waiters = [(); 3].map(|()| {
        let file = Arc::clone(&file);
        std::thread::spawn(move || poll(&mut [PollFile::new(&file, INPUT)], None))
    });
    for _ in &waiters {
        assert_eq!(questions.recv(), Ok(NotifyAction::PollArm));
    }
    switch.set(INPUT);
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Ok(1));
    }
}

#[test]
fn nt7_a_poll_ends_with_its_time() {
    let (server, switch) = switched(None);
    let file = server.file();
    let timeout = Some(Duration::from_millis(1));
    assert_eq!(poll(&mut [PollFile::new(&file, INPUT)], timeout), Ok(0));
    assert_eq!(switch.armed(), 0);
    assert_eq!(poll(&mut [], timeout), Ok(0));
}

#[test]
fn nt7_a_file_whose_server_does_not_tell_is_ready() {
    let server = Server::new(|_: &Request<'_>, _: &Message| Err(Errno::NOSYS));
    let file = server.file();
    assert_eq!(looked(&[&file]), [INPUT]);
    let poller = Poller::new().unwrap();
    assert_eq!(poller.add(1, &file, INPUT), Err(Errno::NOSYS));
}

#[test]
fn a_server_that_goes_ends_the_wait_for_its_file() {
    let (asked, questions) = mpsc::channel();
    let (server, _switch) = switched(Some(asked));
    let gone = Conditions::ERROR | Conditions::HANG_UP;
    let file = server.file();
    let poller = Poller::new().unwrap();
    poller.add(5, &file, INPUT).unwrap();
    assert_eq!(questions.recv(), Ok(NotifyAction::CondArm));
    let waiter = std::thread::spawn(move || {
        let mut files = [PollFile::new(&file, INPUT)];
        let found = poll(&mut files, None);
        (found, files[0].ready())
    });
    assert_eq!(questions.recv(), Ok(NotifyAction::PollArm));
    drop(server);
    assert_eq!(waiter.join().unwrap(), (Ok(1), gone));
    let ready = poller.wait(None).unwrap();
    assert_eq!(ready.len(), 1);
    assert_eq!((ready[0].key, ready[0].conditions), (5, gone));
}

fn is_readable(poller: &Poller) -> bool {
    poll_one(poller.as_fd(), Ready::IN, Some(Instant::now())).unwrap()
}

#[test]
fn a_poller_has_a_descriptor_for_the_event_loops_of_linux() {
    let (one, other) = (switched(None), switched(None));
    let poller = Poller::new().unwrap();
    let files = [one.0.file(), other.0.file()];
    poller.add(1, &files[0], INPUT).unwrap();
    poller.add(2, &files[1], INPUT).unwrap();
    assert_eq!(poller.add(2, &files[1], INPUT), Err(Errno::EXIST));
    assert_eq!((is_readable(&poller), poller.ready()), (false, Ok(vec![])));
    other.1.set(INPUT);
    assert!(poll_one(poller.as_fd(), Ready::IN, None).unwrap());
    let ready = |key| {
        vec![super::super::ReadyFile {
            key,
            conditions: INPUT,
        }]
    };
    assert_eq!(poller.ready(), Ok(ready(2)));
    // By level: it is ready as long as it is.
    assert_eq!(poller.wait(None), Ok(ready(2)));
    other.1.set(Conditions::empty());
    let _ = poller.ready().unwrap();
    assert_eq!((is_readable(&poller), poller.ready()), (false, Ok(vec![])));
    one.1.set(INPUT);
    assert_eq!(poller.wait(None), Ok(ready(1)));
    assert_eq!(poller.remove(1), Ok(()));
    assert_eq!(poller.remove(1), Err(Errno::NOENT));
    drop(poller);
    assert_eq!((one.1.armed(), other.1.armed()), (0, 0));
}
