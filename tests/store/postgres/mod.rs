//! The PostgreSQL store on real servers, which the tests start and kill: the contract, and every
//! failure between a program and its database.

use crate::support;

mod contract;
mod cut;
mod outages;
mod statements;
mod start;
mod world;
