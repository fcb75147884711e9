//! `jam serve`.
//!
//! It has an application of its own, built from the routers of the library: a package cannot depend
//! on the example server, which depends on this package.

mod listen;
mod routes;

use std::net::SocketAddr;

use clap::Args;
use tower_jam::Jam;

use super::{ConfigArgs, output::CommandError};

/// Serves registration, logins, devices, sessions and one-time codes.
///
/// The configuration needs the tables `passwords` and `refresh`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The user that registers with this name gets the role `admin`.
    #[arg(long)]
    admin: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl ServeArgs {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let jam = Jam::builder(self.config.load()?).build().await?;
        let router = routes::router(&jam, self.admin)?;
        Ok(listen::serve(self.listen, router).await?)
    }
}
