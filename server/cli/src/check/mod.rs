//! `socketio-server check`: finds out what is wrong with a server as it is deployed, behind its proxies. It needs no
//! application: what it sends is Engine.IO, and CONNECT.

mod cases;
mod finding;
mod idle;
mod opening;
mod polling;
mod report;
mod session;
mod upgrade;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use crate::dial::Target;
use crate::explain::escaped;
use crate::options::Check;
use crate::output;
use finding::Finding;
use report::Report;

/// Checks the server. The exit code is 1 if something is wrong with it.
pub(crate) fn run(options: &Check) -> Result<ExitCode, Box<dyn Error>> {
    if options.list {
        cases::list();
        return Ok(ExitCode::SUCCESS);
    }
    let target = Arc::new(Target::new(&options.target)?);
    let path = &target.url.path;
    if path != "/" {
        let path = escaped(path);
        output::complain(&format!(
            "{path} in the URL is not used: the path of the endpoint is that of --path\n"
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bad = if options.cases {
        let chosen = cases::choose(&options.only, options.revision, options.hostile)?;
        runtime.block_on(cases::check(&target, options, &chosen))
    } else {
        runtime.block_on(check(options, &target))
    };
    // A name may still be looked up.
    runtime.shutdown_background();
    Ok(if bad { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

async fn check(options: &Check, target: &Target) -> bool {
    let mut report = Report::new(options.json);
    let Some(opened) = opening::check(target, options, &mut report).await else {
        return report.end();
    };
    let looks = async {
        let sticky = polling::sticky(target, options, &mut report).await;
        if sticky {
            polling::parked(target, options, &mut report).await;
            polling::largest(target, options, &opened, &mut report).await;
        }
        upgrade::check(target, options, sticky, &opened, &mut report).await;
    };
    let waits = async {
        if options.quick {
            vec![Finding::note("idle", "not looked at: --quick".to_owned())]
        } else {
            idle::check(target, options, &opened).await
        }
    };
    // What takes as long as a heartbeat goes on beside everything else.
    let ((), idle) = tokio::join!(looks, waits);
    idle.into_iter().for_each(|finding| report.add(finding));
    report.end()
}
