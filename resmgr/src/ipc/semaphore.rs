//! Counting semaphores, for events that a thread waits for.

use resmgr_sys::clock::{self, Deadline};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::{Errno, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A counting semaphore of this process. Clones name the same one.
///
/// The waiting side of `SIGEV_SEM`: see [`PoolEvent::Semaphore`](super::PoolEvent::Semaphore) and
/// [`Event::semaphore`](super::Event::semaphore).
#[derive(Clone, Debug, Default)]
#[doc(alias = "sem_t")]
pub struct Semaphore(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: Mutex<u32>,
    posted: Condvar,
    /// Rings at each post.
    bell: Option<Arc<EventFd>>,
}

impl Semaphore {
    /// One that nobody has posted to.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that rings a bell at each post: several may have the same.
    pub(crate) fn ringing(bell: Arc<EventFd>) -> Self {
        Self(Arc::new(Inner {
            bell: Some(bell),
            ..Inner::default()
        }))
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.0.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one and wakes a thread that waits. A full count stays as it is.
    #[doc(alias = "sem_post")]
    pub fn post(&self) {
        let mut count = self.lock();
        *count = count.saturating_add(1);
        self.0.posted.notify_one();
        drop(count);
        if let Some(bell) = &self.0.bell {
            bell.ring();
        }
    }

    /// Takes one if there is one.
    #[doc(alias = "sem_trywait")]
    pub fn try_wait(&self) -> bool {
        let mut count = self.lock();
        let taken = *count > 0;
        *count -= u32::from(taken);
        taken
    }

    /// Takes one, waiting for it.
    ///
    /// # Errors
    /// - `ETIMEDOUT`: none came before `deadline`.
    #[doc(alias = "sem_wait")]
    #[doc(alias = "sem_timedwait")]
    pub fn wait(&self, deadline: Deadline) -> Result<()> {
        let mut count = self.lock();
        while *count == 0 {
            count = match clock::remaining(deadline) {
                None => self.0.posted.wait(count),
                Some(left) if left.is_zero() => return Err(Errno::TIMEDOUT),
                Some(left) => self
                    .0
                    .posted
                    .wait_timeout(count, left)
                    .map(|(count, _)| count)
                    .map_err(|poisoned| PoisonError::new(poisoned.into_inner().0)),
            }
            .unwrap_or_else(PoisonError::into_inner);
        }
        *count -= 1;
        Ok(())
    }

    /// Whether nobody else has it.
    pub(super) fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Whether both are the same one.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl PartialEq for Semaphore {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

#[cfg(test)]
mod tests {
    use super::Semaphore;
    use resmgr_sys::Errno;
    use resmgr_sys::epoll::EventFd;
    use std::sync::Arc;
    use std::time::Instant;

    #[test]
    fn a_post_rings_the_bell_that_several_share() {
        let bell = Arc::new(EventFd::new().unwrap());
        let [one, other] = [(); 2].map(|()| Semaphore::ringing(Arc::clone(&bell)));
        assert_eq!(bell.take(), 0);
        one.post();
        other.post();
        assert_eq!(bell.take(), 2);
        assert!(one.try_wait() && other.try_wait() && !one.try_wait());
    }

    #[test]
    fn posts_are_counted_and_taken_one_by_one() {
        let semaphore = Semaphore::new();
        assert!(!semaphore.try_wait());
        assert_eq!(semaphore.wait(Some(Instant::now())), Err(Errno::TIMEDOUT));
        semaphore.post();
        semaphore.post();
        assert!(semaphore.try_wait());
        assert_eq!(semaphore.wait(None), Ok(()));
        assert!(!semaphore.try_wait());
        let other = semaphore.clone();
        let waiter = std::thread::spawn(move || other.wait(None));
        semaphore.post();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    }
}
