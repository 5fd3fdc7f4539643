//! `--once`: one whole poll, then packages and status, then the end.

use anyhow::Result;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::text::counted;

use crate::clock::{Clock, monotonic, random};
use crate::fetcher::Fetcher;
use crate::packages::{self, Work};
use crate::session::Session;
use crate::status::{Sent, send};

/// Does the poll; exit 75 where the platform doesn't answer, 76 where its answer makes no sense.
pub fn run(mut session: Session) -> Result<Outcome> {
    let poll = session.poll().map_err(Fault::from)?;
    let Fetcher { root, sandbox, client, settings, .. } = &session.fetcher;
    let work = Work { root, sandbox, client, settings };
    let report = packages::run(work, session.channel, None, &mut Clock)?;
    let fast_track = session.fetcher.offers_fast_track().unwrap_or(false);
    let upload = session.uploader.prepare(fast_track, monotonic());
    let mut uploaded = "";
    if let Some(upload) = upload {
        let sent = send(root, client, settings, &upload);
        session.uploader.note(&upload, &sent, monotonic(), random(41));
        if !matches!(sent, Sent::Taken(_)) {
            return Err(Fault::new(Exit::TryAgain, "the status wasn't taken; the line above says why").into());
        }
        uploaded = ", status uploaded";
    }
    if session.reporter.is_unsent() {
        return Err(
            Fault::new(Exit::TryAgain, "the health report wasn't taken; the line above says why").into()
        );
    }
    let text = format!("goal state {} of incarnation {}", poll.id, poll.identity.incarnation);
    if !poll.changed && report.ready == 0 && uploaded.is_empty() {
        return Ok(Outcome::Unchanged(text));
    }
    Ok(Outcome::Done(format!("{text}, {} fetched{uploaded}", counted(report.ready, "package"))))
}
