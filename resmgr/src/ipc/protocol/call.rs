//! One call in one slot: requested, taken, answered; or withdrawn, or abandoned.

use super::Word;
use std::sync::atomic::Ordering;

/// Low bits of the client's `request` word; the rest is the call's number.
const IDLE: u32 = 0;
const SENT: u32 = 1;
const WITHDRAWING: u32 = 2;
const ABANDONED: u32 = 3;
const NUMBER_SHIFT: u32 = 2;

/// Call numbers have 30 bits.
const NUMBER_MASK: u32 = u32::MAX >> NUMBER_SHIFT;

/// Low bits of the server's `answer` and `taken` words.
const DONE: u32 = 1;

#[inline]
fn word_of(number: u32, state: u32) -> u32 {
    number << NUMBER_SHIFT | state
}

/// What `waiting` says of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleeper {
    /// It does not sleep.
    None,
    /// It sleeps on the `answer` word.
    OnWord,
    /// It sleeps on the `taken` word: it wants to be woken when a receiver takes the message, too.
    OnTaken,
    /// It waits for more than an answer, at a socket that the link knows by this number: wake it there.
    AtSocket(u32),
}

/// In `waiting`, beside any place: wake the caller also when a receiver takes its message.
const UNTIL_TAKEN: u32 = 1 << 31;
const ON_TAKEN: u32 = 1 | UNTIL_TAKEN;

impl Sleeper {
    /// The lowest number of a socket.
    pub const FIRST_SOCKET: u32 = 2;

    /// The number of a socket after `number`.
    #[must_use]
    pub fn next_socket(number: u32) -> u32 {
        let next = number.wrapping_add(1) & !UNTIL_TAKEN;
        next.max(Self::FIRST_SOCKET)
    }

    #[inline]
    fn of(word: u32) -> Self {
        match word {
            0 => Self::None,
            1 => Self::OnWord,
            ON_TAKEN => Self::OnTaken,
            socket => Self::AtSocket(socket & !UNTIL_TAKEN),
        }
    }

    #[inline]
    fn word(self) -> u32 {
        match self {
            Self::None => 0,
            Self::OnWord => 1,
            Self::OnTaken => ON_TAKEN,
            Self::AtSocket(socket) => socket,
        }
    }
}

/// What came of a [`withdrawal`](Caller::withdraw).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// No receiver has seen the message, and none will.
    Withdrawn,
    /// A receiver has it: the caller waits for the answer (which says so if the server saw the
    /// withdrawal in time and dropped the message).
    Taken,
}

/// The client's side of a slot.
#[derive(Debug)]
pub struct Caller<'a, W> {
    /// Written by the client: number and state of the call.
    pub request: &'a W,
    /// Written by the client: it sleeps, and where ([`Sleeper`]).
    pub waiting: &'a W,
    /// Written by the server: which call a receiver has.
    pub taken: &'a W,
    /// Written by the server: which call is answered.
    pub answer: &'a W,
}

impl<W: Word> Caller<'_, W> {
    /// The number after `number`; 0 is never used, it is what fresh memory shows.
    #[inline]
    pub fn next(number: u32) -> u32 {
        (number.wrapping_add(1) & NUMBER_MASK).max(1)
    }

    /// Marks the slot's request as complete. The ring entry publishes it.
    #[inline]
    pub fn submit(&self, number: u32) {
        self.request.store(word_of(number, SENT), Ordering::Release);
    }

    /// Whether the answer is there.
    #[inline]
    pub fn is_answered(&self, number: u32) -> bool {
        self.answer.load(Ordering::Acquire) == word_of(number, DONE)
    }

    /// Whether a receiver has it, or has had it.
    pub fn is_taken(&self, number: u32) -> bool {
        self.taken.load(Ordering::Acquire) == word_of(number, DONE)
    }

    /// Announces sleep, and where. `Some(value)`: sleep on `answer` while it holds this value (or at the
    /// socket, whose nudges stay until they are taken), unless a reason that was announced before the fence (death, cancellation) is seen *after this call*. `None`: answered.
    ///
    /// The server writes the answer, fences and reads `waiting`; this writes `waiting`, fences and reads
    /// the answer: either the server sees a sleeper and wakes it, or the answer is seen here.
    #[inline]
    pub fn prepare_sleep(&self, number: u32, place: Sleeper) -> Option<u32> {
        self.waiting.store(place.word(), Ordering::Relaxed);
        W::fence();
        let value = self.answer.load(Ordering::Acquire);
        if value == word_of(number, DONE) {
            self.waiting.store(0, Ordering::Relaxed);
            return None;
        }
        Some(value)
    }

    /// The same for a caller that wants to be woken when a receiver takes its message, too. `Some(value)`: sleep
    /// on `taken` while it holds this value, or at the socket. `None`: taken, or answered.
    ///
    /// The server writes `taken`, fences and reads `waiting`; this writes `waiting`, fences and reads `taken`. An
    /// answer to a message that nobody has taken (the channel goes) changes `taken` for such a sleeper
    /// ([`Answerer::note_taken`]), so it need not sleep on two words.
    pub fn prepare_sleep_until_taken(&self, number: u32, place: Sleeper) -> Option<u32> {
        self.waiting
            .store(place.word() | UNTIL_TAKEN, Ordering::Relaxed);
        W::fence();
        let value = self.taken.load(Ordering::Acquire);
        if value == word_of(number, DONE) || self.is_answered(number) {
            self.waiting.store(0, Ordering::Relaxed);
            return None;
        }
        Some(value)
    }

    /// After the sleep, however it ended.
    #[inline]
    pub fn end_sleep(&self) {
        self.waiting.store(0, Ordering::Release);
    }

    /// Wakes a thread of this process that sleeps in the slot, after the reason has been stored where the
    /// sleeper looks. `wake` wakes sleepers of the word, or nudges the socket, and returns how many there were.
    ///
    /// The sleeper may be between its look and its sleep, and nobody will write `answer` any more (the
    /// server is dead): so this goes on until somebody was woken or nobody wants to sleep. Whoever announces
    /// sleep after that sees the reason. A socket needs one nudge: it is still there when the sleeper comes.
    pub fn kick(&self, mut wake: impl FnMut(Sleeper) -> usize, mut pause: impl FnMut()) {
        W::fence();
        loop {
            let sleeper = Sleeper::of(self.waiting.load(Ordering::Acquire));
            let woken = sleeper == Sleeper::None || wake(sleeper) > 0;
            if woken || matches!(sleeper, Sleeper::AtSocket(_)) {
                return;
            }
            pause();
        }
    }

    /// Takes the request back, if no receiver has it yet.
    pub fn withdraw(&self, number: u32) -> Withdrawal {
        self.request
            .store(word_of(number, WITHDRAWING), Ordering::Release);
        W::fence();
        if self.taken.load(Ordering::Acquire) != word_of(number, DONE) {
            return Withdrawal::Withdrawn;
        }
        // The receiver may have looked before: then it goes on, and so does this call.
        self.request.store(word_of(number, SENT), Ordering::Release);
        Withdrawal::Taken
    }

    /// Gives the call up, whether a receiver has it or not. The slot stays taken until the server has
    /// noticed ([`is_answered`](Self::is_answered)).
    pub fn abandon(&self, number: u32) {
        self.request
            .store(word_of(number, ABANDONED), Ordering::Release);
    }

    /// The answer has been read: the server may use its memory again.
    #[inline]
    pub fn finish(&self, number: u32) {
        self.request.store(word_of(number, IDLE), Ordering::Release);
    }
}

/// What a receiver finds when it takes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The call is the receiver's to answer.
    Live,
    /// The client has taken it back: acknowledge it and forget it.
    Withdrawn,
    /// The word is none that a client could have written rightly.
    Breach,
}

/// The server's side of a slot.
#[derive(Debug)]
pub struct Answerer<'a, W> {
    /// Written by the client: number and state of the call.
    pub request: &'a W,
    /// Written by the client: it sleeps, and where ([`Sleeper`]).
    pub waiting: &'a W,
    /// Written by the server: which call a receiver has.
    pub taken: &'a W,
    /// Written by the server: which call is answered.
    pub answer: &'a W,
}

impl<W: Word> Answerer<'_, W> {
    /// The number of the call that the slot announces; `None` for a breach: no call, or number 0.
    #[inline]
    pub fn announced(&self) -> Option<u32> {
        let word = self.request.load(Ordering::Acquire);
        let number = word >> NUMBER_SHIFT;
        (word & 3 != IDLE && number != 0).then_some(number)
    }

    /// The number of the call that the slot holds, if it is another than `last` and its client waits: seen
    /// here before its ring entry, which the client writes next. The fields are complete (they were written
    /// before this word), so a server that looks here saves fetching one more line from the client's
    /// processor. It must then ignore the entry when it comes.
    #[inline]
    pub fn announced_early(&self, last: u32) -> Option<u32> {
        let word = self.request.load(Ordering::Acquire);
        let number = word >> NUMBER_SHIFT;
        (word & 3 == SENT && number != last && number != 0).then_some(number)
    }

    /// Makes the call the receiver's.
    #[inline]
    pub fn take(&self, number: u32) -> Taken {
        self.taken.store(word_of(number, DONE), Ordering::Release);
        W::fence();
        let word = self.request.load(Ordering::Acquire);
        match (word >> NUMBER_SHIFT == number, word & 3) {
            (true, SENT) => Taken::Live,
            (true, WITHDRAWING | ABANDONED) => Taken::Withdrawn,
            _ => Taken::Breach,
        }
    }

    /// Right after a [`take`](Self::take), whose fence this needs: where the caller sleeps, if it wants to be
    /// woken because of that.
    #[inline]
    pub fn waits_to_be_taken(&self) -> Sleeper {
        let word = self.waiting.load(Ordering::Relaxed);
        if word & UNTIL_TAKEN == 0 {
            return Sleeper::None;
        }
        Sleeper::of(word)
    }

    /// Before a sleeper of `taken` is woken by an answer: what it sleeps on changes, if nobody has taken the
    /// message, so that it does not fall asleep after the wake-up.
    pub fn note_taken(&self, number: u32) {
        self.taken.store(word_of(number, DONE), Ordering::Release);
    }

    /// Whether the client no longer waits for this call.
    #[inline]
    pub fn is_abandoned(&self, number: u32) -> bool {
        self.request.load(Ordering::Acquire) == word_of(number, ABANDONED)
    }

    /// Whether the client is through with the answer to this call, which has been published.
    pub fn is_finished(&self, number: u32) -> bool {
        let word = self.request.load(Ordering::Acquire);
        word >> NUMBER_SHIFT != number || matches!(word & 3, IDLE | ABANDONED)
    }

    /// Publishes the answer; tells where the client sleeps and must be woken.
    #[inline]
    pub fn publish(&self, number: u32) -> Sleeper {
        self.answer.store(word_of(number, DONE), Ordering::Release);
        W::fence();
        Sleeper::of(self.waiting.load(Ordering::Relaxed))
    }
}
