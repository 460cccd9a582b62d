//! [`Hangups`]: how often a call may lose its server.
//!
//! Servers may die one after the other under a call, as often as somebody kills them: the call goes on with the
//! next one until its deadline. A server that lives and hangs up, again and again, is another matter: it will
//! do so at the next attempt, too.

use resmgr_sys::{Errno, Result};
use std::time::Instant;

/// Times that one process may hang up on one call.
const MOST: usize = 8;

/// What one call has met so far.
#[derive(Debug, Default)]
pub(super) struct Hangups {
    server: u32,
    times: usize,
}

impl Hangups {
    /// The process that serves has gone, or has hung up.
    ///
    /// # Errors
    /// - `ETIMEDOUT`: there is no time for another.
    /// - `ECONNRESET`: it was the same one each time.
    pub(super) fn one_more(&mut self, server: u32, deadline: Instant) -> Result<()> {
        if self.server != server {
            *self = Self { server, times: 0 };
        }
        self.times += 1;
        if Instant::now() >= deadline {
            Err(Errno::TIMEDOUT)
        } else if self.times > MOST {
            Err(Errno::CONNRESET)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hangups, MOST};
    use resmgr_sys::Errno;
    use std::time::{Duration, Instant};

    #[test]
    fn any_number_of_servers_may_go_but_one_only_so_often() {
        let later = Instant::now() + Duration::from_mins(1);
        let mut hangups = Hangups::default();
        (1..1000).for_each(|server| assert_eq!(hangups.one_more(server, later), Ok(())));
        (0..MOST).for_each(|_| assert_eq!(hangups.one_more(7, later), Ok(())));
        assert_eq!(hangups.one_more(7, later), Err(Errno::CONNRESET));
        let now = Instant::now();
        assert_eq!(Hangups::default().one_more(7, now), Err(Errno::TIMEDOUT));
    }
}
