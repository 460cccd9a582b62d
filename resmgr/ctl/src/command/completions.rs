//! `completions`: what shells complete.

use crate::Arguments;
use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a script by which a shell completes commands and options
///
/// For bash: resmgrctl completions bash > ~/.local/share/bash-completion/completions/resmgrctl
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        // Into memory first: the generator cannot say that the output has gone.
        let mut script = Vec::new();
        let mut arguments = Arguments::command();
        clap_complete::generate(self.shell, &mut arguments, "resmgrctl", &mut script);
        out.out.write_all(&script)?;
        Ok(())
    }
}
