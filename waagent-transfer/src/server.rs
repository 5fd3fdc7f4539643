//! The loop: callers are accepted, checked, and served side by side; it ends when there are none.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{getsockopt, sockopt};
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::sandbox::Sandbox;
use waagent_common::sys::accept::accept_peer;
use waagent_common::{log, program, wait};

use crate::carry::{Carried, serve};
use crate::settings::Settings;
use crate::storage::Storage;
use crate::tls::Tls;

/// Orders that are carried out at a time; more wait in the socket's queue.
const MAX_ORDERS: usize = 4;
/// Without an order it ends after so long.
const IDLE: Duration = Duration::from_secs(10);
/// ... after something was stored: a status that goes this way comes each minute, or two where one fails.
const IDLE_AFTER_STORING: Duration = Duration::from_secs(150);
/// When a name or an authority wasn't found it takes orders for so long and no longer: the fetcher asks the same again
/// after 0.8 s at the earliest, and many that fail at once aren't a process each.
const AFTER_NOT_FOUND: Duration = Duration::from_millis(400);
/// Of a worker, in bytes: TLS and a resolver fit with room to spare.
const STACK: usize = 512 << 10;

/// Which worker is free again, and what its order left behind.
type Report = (usize, Carried);

/// Carries out the orders of this user, and of root.
#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    fetcher: Option<u32>,
    settings: Settings,
    tls: Tls,
    workers: Vec<Sender<UnixStream>>,
    /// Workers without an order, the one that had the last one at the end: its connections are the freshest.
    free: Vec<usize>,
    reports: (Sender<Report>, Receiver<Report>),
    waker: Arc<EventFd>,
    /// When it ends, without another order.
    ends: Instant,
    /// When it takes no more of them.
    closes: Option<Instant>,
    strangers: u64,
}

impl Server {
    /// On a listening socket; `fetcher` is the user number of waagent-fetch, if there is such a user.
    pub fn new(listener: OwnedFd, fetcher: Option<u32>, settings: Settings) -> Result<Self, Fault> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let waker = EventFd::from_flags(flags).map_err(|error| broken("eventfd", &error.into()))?;
        Ok(Self {
            listener,
            fetcher,
            settings,
            tls: Tls::default(),
            workers: Vec::new(),
            free: Vec::new(),
            reports: channel(),
            waker: Arc::new(waker),
            ends: Instant::now() + IDLE,
            closes: None,
            strangers: 0,
        })
    }

    /// Serves until nobody comes any more, or the sandbox is outdated. Who knocks then stays in the socket's queue, for
    /// the next process.
    pub fn serve(mut self, sandbox: &Sandbox) -> Result<Outcome, Fault> {
        loop {
            let welcome = self.wait()?;
            self.hear();
            if self.is_idle()
                && let Some(outdated) = program::outdated(sandbox)
            {
                return Ok(outdated);
            }
            if welcome {
                self.accept()?;
            } else if self.is_idle() && self.left().is_zero() {
                return Ok(self.ended());
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.free.len() == self.workers.len()
    }

    /// Until it ends, as things are.
    fn left(&self) -> Duration {
        let ends = self.closes.map_or(self.ends, |closes| closes.min(self.ends));
        ends.saturating_duration_since(Instant::now())
    }

    fn takes_orders(&self) -> bool {
        // Whoever is at work mustn't keep the others waiting.
        let is_open = !self.is_idle() || self.closes.is_none_or(|closes| Instant::now() < closes);
        is_open && (!self.free.is_empty() || self.workers.len() < MAX_ORDERS)
    }

    /// Is there a new caller, and somebody free for him?
    fn wait(&self) -> Result<bool, Fault> {
        let mut polled = vec![PollFd::new(self.waker.as_fd(), PollFlags::POLLIN)];
        if self.takes_orders() {
            polled.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        }
        let limit = self.is_idle().then(|| self.left());
        wait::ready(&mut polled, limit).map_err(|error| broken("poll", &error.into()))?;
        Ok(polled.get(1).and_then(PollFd::any).unwrap_or(false))
    }

    /// Workers that are free again, and what their orders left.
    fn hear(&mut self) {
        // Nothing was written, or it is read now: the reports themselves say what happened.
        let _wakes = self.waker.read();
        while let Ok((worker, carried)) = self.reports.1.try_recv() {
            self.free.push(worker);
            let idle = if carried.stored { IDLE_AFTER_STORING } else { IDLE };
            self.ends = self.ends.max(Instant::now() + idle);
            if carried.not_found {
                self.closes.get_or_insert_with(|| Instant::now() + AFTER_NOT_FOUND);
            }
        }
    }

    fn ended(&self) -> Outcome {
        if self.closes.is_none() {
            return Outcome::Done("ended: no order for a while".to_owned());
        }
        log::info("ended, to be started anew: a host or an authority wasn't found");
        Outcome::Ended(Exit::TryAgain.code())
    }

    fn accept(&mut self) -> Result<(), Fault> {
        let peer = match accept_peer(self.listener.as_fd()) {
            Ok(peer) => peer,
            Err(error) if gone(&error) => return Ok(()),
            Err(error) => return Err(broken("accept", &error)),
        };
        match getsockopt(&peer, sockopt::PeerCredentials) {
            Ok(credentials) if credentials.uid() == 0 || Some(credentials.uid()) == self.fetcher => {
                self.give(UnixStream::from(peer))?;
            }
            Ok(credentials) => {
                self.strangers += 1;
                // The first, the tenth, the hundredth ...: a stranger can't fill the log.
                if self.strangers == 10_u64.pow(self.strangers.ilog10()) {
                    let (uid, pid, count) = (credentials.uid(), credentials.pid(), self.strangers);
                    log::warning(&format!(
                        "uid {uid} (process {pid}) isn't the fetcher, {count} so far, ignoring"
                    ));
                }
            }
            Err(error) => log::verbose(&format!("cannot learn who a caller is: {error}, ignoring")),
        }
        Ok(())
    }

    /// Gives an order to a worker; the first ones of a run make theirs.
    fn give(&mut self, stream: UnixStream) -> Result<(), Fault> {
        let worker = match self.free.pop() {
            Some(worker) => worker,
            None => self.hire()?,
        };
        // A worker lives as long as this process.
        let _given = self.workers.get(worker).map(|sender| sender.send(stream));
        Ok(())
    }

    fn hire(&mut self) -> Result<usize, Fault> {
        let number = self.workers.len();
        let (sender, orders) = channel::<UnixStream>();
        let (reports, waker) = (self.reports.0.clone(), Arc::clone(&self.waker));
        let (settings, tls) = (self.settings.clone(), self.tls.clone());
        thread::Builder::new()
            .name(format!("order {number}"))
            .stack_size(STACK)
            .spawn(move || {
                let mut storage = Storage::new(settings, tls);
                for stream in orders {
                    serve(&mut storage, stream, |carried| {
                        // Nobody is there to hear it when the program ends.
                        let _unheard = reports.send((number, carried));
                        let _unheard = waker.write(1);
                    });
                }
            })
            .map_err(|error| broken("thread", &error))?;
        self.workers.push(sender);
        Ok(number)
    }
}

/// The peer went away before it was accepted, or a signal came.
fn gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}

fn broken(act: &str, error: &io::Error) -> Fault {
    Fault::new(Exit::Os, format!("cannot serve on descriptor '3': {act}: {error}"))
}
