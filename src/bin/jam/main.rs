//! The command `jam`, built on the public API of the library.
//!
//! Exit codes: 0 for success or yes, 1 for no (a wrong password, code or token), 2 for an error in
//! the arguments, the configuration or a file.

mod check;
mod keys;
mod otp;
mod output;
mod password;
mod secret;
mod serve;
mod sessions;
mod token;

use std::{io, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};
use tower_jam::{Claims, Jam, JamBuilder, config::Config};

use self::output::{CommandError, Printer};

/// Keys, passwords, one-time codes, tokens and sessions of tower-jam.
#[derive(Parser, Debug)]
#[command(name = "jam", version, after_help = MANUAL)]
struct Cli {
    /// Prints JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: CliCommand,
}

const MANUAL: &str = "\
Begin with:
  jam keys ed25519 --out ed25519.pem
  jam keys symmetric --out secret
  jam check jam.toml

Exit codes: 0 for success or yes, 1 for no (a wrong password, code or token), 2 for an error in the arguments, the configuration or a file.";

#[derive(Subcommand, Debug)]
enum CliCommand {
    /// Generates a key.
    Keys(keys::KeysArgs),
    /// Hashes or verifies a password, read from a prompt or standard input.
    #[command(subcommand)]
    Password(password::PasswordCommand),
    /// Generates and verifies one-time codes.
    #[command(subcommand)]
    Otp(otp::OtpCommand),
    /// Mints, verifies and inspects tokens.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Manages the master secret.
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Lists or revokes the sessions of a user.
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
    /// Explains a configuration, or says what is wrong with it.
    Check(check::CheckArgs),
    /// Serves logins as a configuration describes them.
    Serve(serve::ServeArgs),
    /// Prints the JSON Schema of a configuration.
    Schema,
    /// Prints a completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Selects the configuration.
#[derive(Args, Debug)]
struct ConfigArgs {
    /// The configuration file.
    #[arg(long, short, default_value = "jam.toml")]
    config: PathBuf,
    /// The table of the instance in the file.
    #[arg(long)]
    table: Option<String>,
}

impl ConfigArgs {
    fn load(&self) -> Result<Config, CommandError> {
        let mut loader = Config::file(&self.config);
        if let Some(table) = &self.table {
            loader = loader.table(table);
        }
        Ok(loader.load()?)
    }

    async fn jam(&self) -> Result<Jam<Claims>, CommandError> {
        Ok(builder(self.load()?).build().await?)
    }
}

/// A builder for the commands that refresh no tokens. Where the users are the application's own,
/// this command cannot read them, so it reads none.
fn builder(config: Config) -> JamBuilder<Claims> {
    Jam::builder(config).read_user(|_: String| async { Ok(None) })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(cli.json);
    start_log(&cli.command);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command, &printer)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Writes warnings to standard error, and everything that a server logs.
fn start_log(command: &CliCommand) {
    let log = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false);
    match command {
        CliCommand::Serve(_) => log.init(),
        _ => log
            .with_max_level(tracing::Level::WARN)
            .with_target(false)
            .without_time()
            .init(),
    }
}

async fn run(command: CliCommand, printer: &Printer) -> Result<(), CommandError> {
    match command {
        CliCommand::Keys(args) => args.run(printer),
        CliCommand::Password(command) => command.run(printer).await,
        CliCommand::Otp(command) => command.run(printer).await,
        CliCommand::Token(command) => command.run(printer).await,
        CliCommand::Secret(command) => command.run(printer).await,
        CliCommand::Sessions(command) => command.run(printer).await,
        CliCommand::Check(args) => args.run(printer).await,
        CliCommand::Serve(_) | CliCommand::Completions { .. } if printer.is_json() => {
            let reason = "this command prints no JSON";
            Err(CommandError::Failed(reason.to_owned()))
        }
        CliCommand::Serve(args) => args.run().await,
        CliCommand::Schema => {
            let schema = tower_jam::config::schema();
            printer.print(&schema, &format!("{schema:#}"))
        }
        CliCommand::Completions { shell } => {
            let mut command = Cli::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "jam", &mut script);
            printer.write(&script)
        }
    }
}
