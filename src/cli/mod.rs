//! The command `jam`: its arguments, and where each leads.
//!
//! It exits with 0 for done or yes, 1 for no (a wrong password, code or token), 2 for a mistake in arguments, configuration or files.

mod check;
mod keys;
mod otp;
mod output;
mod password;
mod secret;
mod serve;
mod sessions;
mod token;

use std::{io, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};

use self::output::{Failure, Output};
use crate::{
    config::Config,
    jam::{Jam, JamBuilder},
    token::Claims,
};

/// Keys, passwords, one-time codes, tokens and sessions of tower-jam.
#[derive(Parser, Debug)]
#[command(name = "jam", version, after_help = MANUAL)]
struct Command {
    /// Prints JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    task: Task,
}

const MANUAL: &str = "\
Begin with:
  jam keys ed25519 --out ed25519.pem
  jam keys symmetric --out secret
  jam check jam.toml

It exits with 0 for done or yes, 1 for no (a wrong password, code or token), 2 for a mistake in arguments, configuration or files.";

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
    /// Looks after the master secret.
    #[command(subcommand)]
    Secret(secret::Secret),
    /// Lists or ends the sessions of a user.
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    /// Says what a configuration would do, or what is wrong with it.
    Check(check::Check),
    /// Serves the example application on a configuration.
    Serve(serve::Serve),
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
    fn load(&self) -> Result<Config, Failure> {
        let mut loader = Config::file(&self.config);
        if let Some(table) = &self.table {
            loader = loader.table(table);
        }
        Ok(loader.load()?)
    }

    async fn jam(&self) -> Result<Jam<Claims>, Failure> {
        Ok(builder(self.load()?).build().await?)
    }
}

/// For the commands, none of which refreshes: who the users are, the application's program may know alone.
fn builder(config: Config) -> JamBuilder<Claims> {
    Jam::builder(config).read_user(|_: String| async { Ok(None) })
}

/// Runs the command with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let command = Command::parse();
    let output = Output::new(command.json);
    log(&command.task);
    let runtime = tokio::runtime::Builder::new_multi_thread()
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

/// Warnings go to standard error, and what a server reports, too.
fn log(task: &Task) {
    let log = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false);
    match task {
        Task::Serve(_) => log.init(),
        _ => log
            .with_max_level(tracing::Level::WARN)
            .with_target(false)
            .without_time()
            .init(),
    }
}

async fn run(task: Task, output: &Output) -> Result<(), Failure> {
    match task {
        Task::Keys(task) => task.run(output),
        Task::Password(task) => task.run(output).await,
        Task::Otp(task) => task.run(output).await,
        Task::Token(task) => task.run(output).await,
        Task::Secret(task) => task.run(output).await,
        Task::Sessions(task) => task.run(output).await,
        Task::Check(task) => task.run(output).await,
        Task::Serve(_) | Task::Completions { .. } if output.is_json() => {
            let reason = "this command prints no JSON";
            Err(Failure::Wrong(reason.to_owned()))
        }
        Task::Serve(task) => task.run().await,
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
