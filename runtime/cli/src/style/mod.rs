//! `iridule style`: from an empty folder to a live collection, and back.

mod draft;
mod live;

use clap::Subcommand;

/// The subcommands of `iridule style`.
#[derive(Subcommand)]
pub enum Command {
    /// Make a new style's folder, with something to look at in it.
    New(draft::NewArgs),
    /// Say what a style costs, what it uses of what it declares, and what of it is never seen.
    ///
    /// Builds it as publishing would, then resolves tokens in many states and paints some of them.
    Check(draft::CheckArgs),
    /// Build a style, and print its identity. The same files give the same identity on every machine.
    Build(draft::BuildArgs),
    /// Count how the traits of all tokens turn out.
    Rarity(draft::RarityArgs),
    /// Show tokens by states on a page that follows the files.
    Preview(draft::PreviewArgs),
    /// Put a style live: its blocks, then a signed record. No deploy, no restart.
    ///
    /// A running PoP shows it at the next request, a Worker when it reads its records anew (`refresh_ms`, and up to a
    /// minute until KV has spread it).
    Publish(live::PublishArgs),
    /// Go back to the style before, or to any that the collection has shown. Its old ETags are then true again.
    ///
    /// While a canary is on trial, this ends the trial.
    Rollback(live::RollbackArgs),
    /// List the collections of a place, with the styles that they show and have shown.
    List(live::ListArgs),
}

/// Runs the subcommand.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::New(args) => draft::new(args),
        Command::Check(args) => draft::check(args),
        Command::Build(args) => draft::build(args),
        Command::Rarity(args) => draft::rarity(args),
        Command::Preview(args) => draft::preview(args),
        Command::Publish(args) => live::publish(args),
        Command::Rollback(args) => live::rollback(args),
        Command::List(args) => live::list(args),
    }
}
