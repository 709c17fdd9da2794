//! Prints the end of the demo, as text or as JSON.

use std::time::Duration;

use serde_json::json;

use super::Demo;
use super::find::Skipped;
use super::language::Language;
use super::progress::Session;
use super::report::{Group, Report};
use super::round::Round;
use crate::fail::Result;
use crate::output::{Output, Tint, bytes, count, printable, rate, took};

/// How many names of a group, and how many failures, are shown.
const NAMES: usize = 3;
const FAILURES: usize = 5;

pub struct Shown<'a> {
    pub demo: &'a Demo<'a>,
    pub report: &'a Report,
    pub round: &'a Round,
    pub took: Duration,
    pub session: Session,
}

impl Shown<'_> {
    pub fn show(&self, skipped: &Skipped, out: &Output) -> Result<()> {
        if out.is_json() {
            return out.json(&self.document(skipped));
        }
        self.figures(skipped, out)?;
        self.groups(out)?;
        self.failures(skipped, out)?;
        self.next(out)
    }

    fn document(&self, skipped: &Skipped) -> serde_json::Value {
        let Report { files, bytes, lines, failed, groups, wasted, .. } = self.report;
        let group = |group: &Group| json!({ "sha256": group.sha256, "size": group.size, "wasted": group.wasted, "files": group.paths });
        json!({
            "queue": self.round.queue(),
            "resumed": self.round.resumed,
            "files": files,
            "bytes": bytes,
            "lines": lines,
            "failed": failed.iter().map(|one| json!({ "task_id": one.task, "error": one.error })).collect::<Vec<_>>(),
            "skipped": { "links": skipped.links, "special": skipped.special, "folders": skipped.folders.len() },
            "wasted": wasted,
            "groups": groups.iter().map(group).collect::<Vec<_>>(),
            "seconds": self.took.as_secs_f64(),
            "done_now": self.session.done,
            "done_by": self.report.done_by,
        })
    }

    fn figures(&self, skipped: &Skipped, out: &Output) -> Result<()> {
        let Report { files, bytes: size, lines, failed, groups, wasted, .. } = self.report;
        let Session { done, seconds } = self.session;
        let line = |name: &str, figure: String, more: String| {
            out.line(
                format!("{}  {figure:>12}  {more}", out.paint(&format!("{name:<10}"), Tint::Bold)).trim_end(),
            )
        };
        line("Files", count(*files), format!("{} in {} lines", bytes(*size), count(*lines)))?;
        line(
            "Failed",
            count(failed.len() as u64),
            if failed.is_empty() { String::new() } else { "kept as dead letters".into() },
        )?;
        if *skipped != Skipped::default() {
            let what = format!("{} links, {} special files", count(skipped.links), count(skipped.special));
            line("Left out", count(skipped.links + skipped.special), what)?;
        }
        let copies: usize = groups.iter().map(|group| group.paths.len()).sum();
        line(
            "Identical",
            count(copies as u64),
            format!("in {} groups, which waste {}", count(groups.len() as u64), bytes(*wasted)),
        )?;
        let now = if self.round.resumed { " in this part of the run" } else { "" };
        let team = self.demo.team();
        let processes: u16 = team.iter().map(|(_, count)| count).sum();
        line(
            "Tasks/s",
            rate(done, seconds),
            format!("{} by {processes} processes in {}{now}", count(done), took(self.took)),
        )?;
        if let [(Language::Rust, 1..)] = team[..] {
            return Ok(());
        }
        for (language, processes) in team {
            let did = self.report.done_by.get(language.key()).copied().unwrap_or_default();
            let plural = if processes == 1 { "" } else { "es" };
            line(&format!("In {language}"), count(did), format!("tasks, by {processes} process{plural}"))?;
        }
        Ok(())
    }

    fn groups(&self, out: &Output) -> Result<()> {
        let wasteful = self.report.groups.iter().filter(|group| group.wasted > 0);
        let mut table = out.table(&["wasted", "copies", "size", "identical files"]).right(&[0, 1, 2]);
        for group in wasteful.take(self.demo.args.top) {
            let mut names: Vec<_> = group.paths.iter().take(NAMES).map(|path| printable(path)).collect();
            if group.paths.len() > NAMES {
                names.push(format!("… and {} more", count((group.paths.len() - NAMES) as u64)));
            }
            table.row([
                bytes(group.wasted),
                count(group.paths.len() as u64),
                bytes(group.size),
                names.join("\n"),
            ]);
        }
        if table.is_empty() {
            return Ok(());
        }
        out.line(format!("\n{}", table.render()))
    }

    fn failures(&self, skipped: &Skipped, out: &Output) -> Result<()> {
        let failed = self.report.failed.iter().map(|failed| failed.error.clone());
        let folders = skipped
            .folders
            .iter()
            .map(|(path, reason)| format!("cannot list {:?}: {reason}", path.to_string_lossy()));
        let all: Vec<String> = failed.chain(folders).collect();
        if all.is_empty() {
            return Ok(());
        }
        out.line(format!("\n{}", out.paint("Not read", Tint::Bold)))?;
        for text in all.iter().take(FAILURES) {
            out.line(format!("  {}", printable(text)))?;
        }
        match all.len().saturating_sub(FAILURES) {
            0 => Ok(()),
            more => out.line(format!("  … and {} more", count(more as u64))),
        }
    }

    fn next(&self, out: &Output) -> Result<()> {
        let queue = self.round.queue();
        let program = self.demo.host.program();
        let omniq = format!("{program}{}", self.demo.global.repeated());
        let mut commands = vec![
            ("the last results", format!("{omniq} results list --queue {queue} --limit 20")),
            ("the last events", format!("{omniq} events list --queue {queue} --limit 20")),
        ];
        if !self.report.failed.is_empty() {
            commands.push(("the failures", format!("{omniq} tasks list --queue {queue} --state dead")));
        }
        if let Some(id) = self.report.failed.first().map(|failed| failed.task).or(self.report.example) {
            commands.push(("all about a task", format!("{omniq} tasks show {id}")));
        }
        let schema = &self.demo.database.settings.schema;
        if self.demo.database.is_embedded() && schema.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            let sql =
                format!("select kind, count(*) from {schema}.events where queue = '{queue}' group by 1");
            commands.push(("anything, by SQL", format!("{program} dev psql -c \"{sql}\"")));
        }
        out.line(format!("\n{}", out.paint("Where to look next", Tint::Bold)))?;
        for (about, command) in commands {
            out.line(format!("  {}  {command}", out.paint(&format!("{about:<16}"), Tint::Dim)))?;
        }
        if self.demo.global.url.is_some() {
            out.line("  (with the same --url, or with OMNIQ_URL set)")?;
        }
        Ok(())
    }
}
