//! Reading variables one by one, and keeping what was wrong with them, so that an operator is told everything at once.

use super::ConfigError;
use crate::storage::keyring::{self, Keyring};
use crate::trust::signing_keys::{self, SigningKeys};

/// The variables as they are read, and what was wrong with them so far. A problem is a sentence whose subject is the
/// variable.
pub(super) struct Reading<G> {
    get: G,
    /// What was wrong.
    pub(super) errors: Vec<ConfigError>,
}

impl<G: Fn(&str) -> Option<String>> Reading<G> {
    /// Nothing is read yet.
    pub(super) const fn new(get: G) -> Self {
        Self { get, errors: Vec::new() }
    }

    /// A variable that is set to nothing counts as left out.
    pub(super) fn value(&self, variable: &str) -> Option<String> {
        (self.get)(variable).filter(|value| !value.trim().is_empty())
    }

    pub(super) fn report(&mut self, variable: &str, problem: String) {
        self.errors.push(ConfigError { variable: variable.to_owned(), problem });
    }

    pub(super) fn required<T>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match self.value(variable) {
            Some(value) => self.kept(variable, parse(&value)),
            None => {
                self.report(variable, "is missing.".to_owned());
                None
            }
        }
    }

    pub(super) fn optional<T>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(Option<&str>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(variable);
        self.kept(variable, parse(value.as_deref()))
    }

    pub(super) fn kept<T>(&mut self, variable: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|problem| self.report(variable, problem)).ok()
    }

    pub(super) fn keyring(&mut self, names: &[String]) -> Option<Keyring> {
        let further = self.beginning_with(keyring::VARIABLE_PREFIX, names);
        let (first, active) = (self.value("ENCRYPTION_KEYS"), self.value("ACTIVE_ENCRYPTION_KEYS"));
        let keyring = Keyring::parse_all(first.as_deref(), &further, active.as_deref());
        keyring.map_err(|problems| self.report_all(problems)).ok()
    }

    pub(super) fn signing_keys(&mut self, names: &[String]) -> Option<SigningKeys> {
        let keys = self.beginning_with(signing_keys::VARIABLE_PREFIX, names);
        let active = self.value("ACTIVE_SIGNING_KEY");
        SigningKeys::parse(&keys, active.as_deref()).map_err(|problems| self.report_all(problems)).ok()
    }

    /// (name, value) of the variables whose names begin like this, by name.
    pub(super) fn beginning_with(&self, prefix: &str, names: &[String]) -> Vec<(String, String)> {
        let mut names: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| name.starts_with(prefix)).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| Some((name.to_owned(), self.value(name)?))).collect()
    }

    pub(super) fn report_all(&mut self, problems: Vec<(String, String)>) {
        for (variable, problem) in problems {
            self.report(&variable, problem);
        }
    }

    /// The value of a variable that another one makes necessary.
    pub(super) fn needed(&mut self, variable: &str, because: &str) -> Option<String> {
        let value = self.value(variable);
        if value.is_none() {
            self.report(variable, format!("is missing, but {because} is set."));
        }
        value
    }

    /// What is either `on` or, as without it, `off`.
    pub(super) fn switch(&mut self, variable: &str) -> Option<bool> {
        self.optional(variable, |text| match text.map(str::trim) {
            None | Some("off") => Ok(false),
            Some("on") => Ok(true),
            Some(_) => Err("must be on or off.".to_owned()),
        })
    }
}
