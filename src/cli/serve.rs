//! `jam serve`.

// The application is the example's: whoever wants another one begins with that file.
#[path = "../../examples/server/app.rs"]
mod app;
#[path = "../../examples/server/listen.rs"]
mod listen;

use std::net::SocketAddr;

use clap::Args;

use super::{Configured, output::Failure};
use crate::jam::Jam;

/// Serves registration, logins, devices, sessions and one-time codes, by a configuration with passwords and refresh.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// The address to listen at.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Who registers with this name has the role `admin`.
    #[arg(long)]
    admin: Option<String>,
    #[command(flatten)]
    configured: Configured,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let jam = Jam::builder(self.configured.load()?).build().await?;
        let router = app::router(&jam, self.admin)?;
        Ok(listen::listen(self.listen, router).await?)
    }
}
