//! Who may use the page of administrators, and what they see there.

use socketio_admin::{Admin, Auth};

use super::Options;
use super::error::OptionsError;
use super::given::Given;

impl Options {
    /// Administrators have a password or a token.
    pub(super) fn admin_checked(
        &self,
        given: &[Given],
        wrong: &impl Fn(&str, &str) -> OptionsError,
    ) -> Result<(), OptionsError> {
        let (user, hash) = (self.admin_user.is_some(), self.admin_password_hash.is_some());
        match (user, hash, self.admin_token.is_some()) {
            (true, false, _) => Err(wrong("admin-user", "needs admin-password-hash too")),
            (false, true, _) => Err(wrong("admin-password-hash", "needs admin-user too")),
            (true, true, true) => Err(wrong("admin-token", "admin-user is set too: remove one of them")),
            (false, false, false) => match given.iter().find(|given| given.key.starts_with("admin-")) {
                Some(given) => Err(given.error("needs admin-user and admin-password-hash, or admin-token")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What administrators may see and do, if there are any. What they are sent is in the journal, too.
    pub(crate) fn admin(&self) -> Option<Admin> {
        let auth = match (&self.admin_user, &self.admin_password_hash, &self.admin_token) {
            (Some(user), Some(hash), _) => Auth::password(user, hash).ok()?,
            (_, _, Some(token)) => Auth::token(token),
            _ => return None,
        };
        let is_recorded = self.trace.is_some() || self.inspect.is_some();
        let admin = Admin::new(auth)
            .mode(self.admin_mode)
            .read_only(self.admin_read_only)
            .secrets(self.trace_secrets || !is_recorded);
        Some(match &self.admin_server_id {
            Some(id) => admin.server_id(id),
            None => admin,
        })
    }
}
