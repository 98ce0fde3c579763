//! Reads the configuration from the environment exactly as the Worker does and says what is wrong with it, one line for
//! each variable. `npm run check-config` runs it before a deploy, so that a mistake is met here and not as a 503.
#![expect(clippy::print_stdout, reason = "a command-line program")]

use std::env;
use std::process::ExitCode;

use countersign::config::Config;

fn main() -> ExitCode {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    match Config::from_variables(|name| env::var(name).ok(), names) {
        Ok(config) => {
            println!("The configuration is complete. Clients reach the service at {}.", config.public_url);
            ExitCode::SUCCESS
        }
        Err(errors) => {
            for error in errors {
                println!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}
