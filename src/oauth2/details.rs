//! What well-known providers tell of a user, typed. To be read by [`Profile::details`](super::Profile::details).

use std::fmt;

use serde::Deserialize;

/// A struct whose `Debug` shows no value.
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
        /// The name of the account, which users change.
        login: String,
        /// A name to show.
        name: Option<String>,
        /// The primary address, if it is verified and `user:email` was granted.
        email: Option<String>,
        /// A picture.
        avatar_url: Option<String>,
        /// The user's page.
        html_url: Option<String>,
        /// `User`, or what else it is.
        #[serde(rename = "type")]
        kind: Option<String>,
    }
}

details! {
    /// A user of GitLab.
    GitLabUser {
        /// The id.
        sub: String,
        /// A name to show.
        name: Option<String>,
        /// The name of the account.
        nickname: Option<String>,
        /// The user's page.
        profile: Option<String>,
        /// A picture.
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
        /// A name to show.
        name: Option<String>,
        /// The first name.
        given_name: Option<String>,
        /// The last name.
        family_name: Option<String>,
        /// A picture.
        picture: Option<String>,
        /// The organisation that the account belongs to. Only this tells, the address does not.
        hd: Option<String>,
    }
}

details! {
    /// A user of Yandex.
    YandexUser {
        /// The id.
        id: String,
        /// The name of the account.
        login: String,
        /// A name to show.
        display_name: Option<String>,
        /// The first and the last name.
        real_name: Option<String>,
        /// An address.
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
        /// A name to show.
        name: Option<String>,
        /// What the user logs in with, which changes.
        preferred_username: Option<String>,
    }
}

details! {
    /// A user of Apple.
    AppleUser {
        /// The id among the users of this developer.
        sub: String,
        /// An address, which may be one that forwards.
        email: Option<String>,
        /// How likely it is a person.
        real_user_status: Option<u8>,
    }
}
