//! The cases of ../README.md, by tonic.

mod cases;
mod drain;
mod node;
mod watch;

use std::process::ExitCode;

/// The stubs that build.rs makes of the contract.
pub mod presence {
    tonic::include_proto!("muster.v1");
}

/// Why a case failed.
pub type Failure = Box<dyn std::error::Error>;

macro_rules! run {
    ($passed:ident, $name:literal, $case:expr) => {
        match $case.await {
            Ok(()) => println!("ok {}", $name),
            Err(failure) => {
                $passed = false;
                println!("FAILED {} {}", $name, failure.to_string().replace('\n', " "));
            }
        }
    };
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut passed = true;
    run!(passed, "unary", cases::unary());
    run!(passed, "stream", cases::stream());
    run!(passed, "deadline", cases::deadline());
    run!(passed, "cancel", cases::cancel());
    run!(passed, "metadata", cases::metadata());
    run!(passed, "message-limit", cases::message_limit());
    run!(passed, "invalid-argument", cases::invalid_argument());
    run!(passed, "compression", cases::compression());
    run!(passed, "reuse", cases::reuse());
    run!(passed, "drain", drain::drain());
    run!(passed, "health", cases::health());
    run!(passed, "tls", cases::tls());
    run!(passed, "mutual-tls", cases::mutual_tls());
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
