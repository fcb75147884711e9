//! The command `jam`: its arguments, and where each leads.
//!
//! It exits with 0 for done or yes, 1 for no (a wrong password, code or token), 2 for a mistake in arguments, configuration or files.

mod check;
mod keys;
mod otp;
mod output;
mod password;
mod sessions;
mod token;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use self::output::{Failure, Output};
use crate::{config::Config, jam::Jam, token::Claims};

/// Keys, passwords, one-time codes, tokens and sessions of tower-jam.
#[derive(Parser, Debug)]
#[command(name = "jam", version)]
struct Command {
    /// Prints JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand, Debug)]
enum Task {
    /// Makes a key.
    Keys(keys::Keys),
    /// Hashes or verifies a password, read from a prompt or standard input.
    #[command(subcommand)]
    Password(password::Password),
    /// Makes and verifies one-time codes.
    #[command(subcommand)]
    Otp(otp::Otp),
    /// Mints, verifies and looks into tokens.
    #[command(subcommand)]
    Token(token::Token),
    /// Lists or ends the sessions of a user.
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    /// Says what a configuration would do, or what is wrong with it. Its store is opened.
    Check(check::Check),
    /// Prints the JSON Schema of a configuration.
    Schema,
    /// Prints a completion script.
    Completions {
        /// For this shell.
        shell: clap_complete::Shell,
    },
}

/// Which configuration.
#[derive(Args, Debug)]
struct Configured {
    /// The configuration file.
    #[arg(long, short, default_value = "jam.toml")]
    config: std::path::PathBuf,
    /// The table of the instance in it.
    #[arg(long)]
    table: Option<String>,
}

impl Configured {
    async fn jam(&self) -> Result<Jam<Claims>, Failure> {
        let mut loader = Config::file(&self.config);
        if let Some(table) = &self.table {
            loader = loader.table(table);
        }
        Ok(Jam::builder(loader.load()?).build().await?)
    }
}

/// Runs the command with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let command = Command::parse();
    let output = Output::new(command.json);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(command.task, &output)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.fail(&failure);
            ExitCode::from(failure.code())
        }
    }
}

async fn run(task: Task, output: &Output) -> Result<(), Failure> {
    match task {
        Task::Keys(task) => task.run(output),
        Task::Password(task) => task.run(output).await,
        Task::Otp(task) => task.run(output).await,
        Task::Token(task) => task.run(output).await,
        Task::Sessions(task) => task.run(output).await,
        Task::Check(task) => task.run(output).await,
        Task::Schema => {
            let schema = crate::config::schema();
            output.say(&schema, &format!("{schema:#}"))
        }
        Task::Completions { shell } => {
            let mut command = Command::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "jam", &mut script);
            output.raw(&script)
        }
    }
}
