//! Typed claims of well-known providers, for [`Profile::details`](super::Profile::details).

use std::fmt;

use serde::Deserialize;

/// Defines a struct that hides its values in `Debug`.
macro_rules! details {
    ($(#[$doc:meta])* $Type:ident { $($(#[$field_doc:meta])* $field:ident: $Field:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Deserialize)]
        #[non_exhaustive]
        pub struct $Type {
            $($(#[$field_doc])* pub $field: $Field,)+
        }

        impl fmt::Debug for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Type)).finish_non_exhaustive()
            }
        }
    };
}

details! {
    /// A user of GitHub.
    GitHubUser {
        /// The id.
        id: u64,
        /// The user name, which users can change.
        login: String,
        /// The display name.
        name: Option<String>,
        /// The primary e-mail address, if it is verified and `user:email` was granted.
        email: Option<String>,
        /// The URL of a picture.
        avatar_url: Option<String>,
        /// The URL of the user's page.
        html_url: Option<String>,
        /// `User`, or another kind of account.
        #[serde(rename = "type")]
        kind: Option<String>,
    }
}

details! {
    /// A user of GitLab.
    GitLabUser {
        /// The id.
        sub: String,
        /// The display name.
        name: Option<String>,
        /// The user name.
        nickname: Option<String>,
        /// The URL of the user's page.
        profile: Option<String>,
        /// The URL of a picture.
        picture: Option<String>,
        /// The groups that the user is in.
        #[serde(default)]
        groups: Vec<String>,
    }
}

details! {
    /// A user of Google.
    GoogleUser {
        /// The id.
        sub: String,
        /// The display name.
        name: Option<String>,
        /// The first name.
        given_name: Option<String>,
        /// The last name.
        family_name: Option<String>,
        /// The URL of a picture.
        picture: Option<String>,
        /// The organisation of the account. Only this claim states it; the e-mail address does not.
        hd: Option<String>,
    }
}

details! {
    /// A user of Yandex.
    YandexUser {
        /// The id.
        id: String,
        /// The user name.
        login: String,
        /// The display name.
        display_name: Option<String>,
        /// The first and the last name.
        real_name: Option<String>,
        /// An e-mail address.
        default_email: Option<String>,
        /// The id of a picture.
        default_avatar_id: Option<String>,
        /// The id among the users of this application.
        psuid: Option<String>,
    }
}

details! {
    /// A user of Microsoft's Entra ID.
    MicrosoftUser {
        /// The id among the users of this application.
        sub: String,
        /// The id in the tenant.
        oid: Option<String>,
        /// The tenant.
        tid: Option<String>,
        /// The display name.
        name: Option<String>,
        /// The login name, which can change.
        preferred_username: Option<String>,
    }
}

details! {
    /// A user of Apple.
    AppleUser {
        /// The id among the users of this developer.
        sub: String,
        /// An e-mail address, which may be a forwarding one.
        email: Option<String>,
        /// How likely the user is a person.
        real_user_status: Option<u8>,
    }
}
