//! What the operator must find in the cluster before it begins: both kinds and its rights. Names what lacks, and waits for it; again
//! when a watch finds that its right is gone.

use std::{collections::BTreeSet, time::Duration};

use futures::future;
use k8s_openapi::{
    NamespaceResourceScope,
    api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
};
use kube::{
    Api, Client, Resource,
    api::{ListParams, PostParams},
};

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    controller::DIGEST_SECRET,
    health::{NotReady, Readiness},
};

use super::Options;

/// Between looks for what is missing.
const LOOK: Duration = Duration::from_secs(1);

/// One verb on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Right {
    verb: &'static str,
    /// Empty is the core group.
    group: &'static str,
    resource: &'static str,
    /// Empty is the object itself.
    subresource: &'static str,
    /// Empty is any.
    name: &'static str,
}

const fn ours(verb: &'static str, resource: &'static str, subresource: &'static str) -> Right {
    Right { verb, group: "onfido-operator.dev", resource, subresource, name: "" }
}

const fn secrets(verb: &'static str, name: &'static str) -> Right {
    Right { verb, group: "", resource: "secrets", subresource: "", name }
}

const fn ledger(verb: &'static str) -> Right {
    Right { verb, group: "", resource: "configmaps", subresource: "", name: "" }
}

/// Needed wherever objects are watched.
const WATCHED: &[Right] = &[
    ours("list", "onfidoproviders", ""),
    ours("list", "identityverifications", ""),
    ours("watch", "onfidoproviders", ""),
    ours("watch", "identityverifications", ""),
    ours("patch", "onfidoproviders", "status"),
    ours("patch", "identityverifications", "status"),
    ours("patch", "identityverifications", ""),
    ours("delete", "identityverifications", ""),
    secrets("get", ""),
    secrets("create", ""),
    secrets("patch", ""),
    secrets("delete", ""),
    Right { verb: "create", ..EVENTS },
    Right { verb: "patch", ..EVENTS },
    Right { verb: "get", group: "", resource: NAMESPACES, subresource: "", name: "" },
];
const EVENTS: Right = Right { verb: "", group: "events.k8s.io", resource: "events", subresource: "", name: "" };
/// A Role can speak of its own namespace only, by name.
const NAMESPACES: &str = "namespaces";
/// Needed besides, wherever objects are watched, where Secrets are watched too.
const SECRETS_WATCHED: &[Right] = &[secrets("list", ""), secrets("watch", "")];
/// Needed in the operator's own namespace, for the key of the digests and the erasure ledger.
const OWN: &[Right] = &[secrets("get", DIGEST_SECRET), secrets("create", ""), ledger("get"), ledger("create"), ledger("patch")];

/// Rights that are needed in one place.
struct Scope<'a> {
    /// Every namespace if none is given.
    namespace: Option<&'a str>,
    rights: Vec<Right>,
    /// Whether to ask here for the definitions; once is enough, they belong to the whole cluster.
    definitions: bool,
}

/// Waits, visibly, until both kinds are installed and every right is there. Place by place, so that each look costs a few requests however
/// many namespaces there are; what is found once is not asked for again.
pub(super) async fn wait(client: &Client, options: &Options, readiness: &Readiness) {
    let mut told = BTreeSet::new();
    for scope in scopes(&options.watch_namespaces, options.watch_secrets, &options.namespace) {
        loop {
            let lacking = lacking(client, &scope).await;
            tell(&mut told, &lacking, readiness);
            if lacking.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn scopes<'a>(watched: &'a [String], secrets_too: bool, own: &'a str) -> Vec<Scope<'a>> {
    let rights = [WATCHED, if secrets_too { SECRETS_WATCHED } else { &[] }].concat();
    let places: Vec<Option<&str>> = if watched.is_empty() { vec![None] } else { watched.iter().map(|name| Some(name.as_str())).collect() };
    let watched = places.into_iter().enumerate();
    let watched = watched.map(|(number, namespace)| Scope { namespace, rights: rights.clone(), definitions: number == 0 });
    watched.chain([Scope { namespace: Some(own), rights: OWN.to_vec(), definitions: false }]).collect()
}

/// Says what was not said before, and takes back what does not lack any more.
fn tell(told: &mut BTreeSet<NotReady>, lacking: &BTreeSet<NotReady>, readiness: &Readiness) {
    for healed in told.difference(lacking) {
        readiness.clear(healed);
    }
    for new in lacking.difference(told) {
        tracing::warn!("waiting: {new}");
        readiness.block(new.clone());
    }
    told.clone_from(lacking);
}

/// Everything that lacks in this place. Definitions first: without them a right says little.
async fn lacking(client: &Client, scope: &Scope<'_>) -> BTreeSet<NotReady> {
    if scope.definitions {
        let (providers, verifications) =
            future::join(missing::<OnfidoProvider>(client, scope.namespace), missing::<IdentityVerification>(client, scope.namespace))
                .await;
        let missing: BTreeSet<_> = providers.into_iter().chain(verifications).collect();
        if !missing.is_empty() {
            return missing;
        }
    }
    let refused = scope.rights.iter().map(|right| refused(client, scope.namespace, right));
    future::join_all(refused).await.into_iter().flatten().collect()
}

/// Why objects of this kind cannot be there. Who may not list them cannot know; that is said by the review of the right to.
async fn missing<K>(client: &Client, namespace: Option<&str>) -> Option<NotReady>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api: Api<K> = namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            Some(NotReady::MissingDefinition(format!("{}.{}", K::plural(&()), K::group(&()))))
        }
        Err(kube::Error::Api(status)) if status.code == 403 => None,
        Err(error) => Some(unanswered(&error)),
    }
}

/// Whether the API server says that we lack a right. Where it will not say, it will when the right is used.
async fn refused(client: &Client, namespace: Option<&str>, right: &Right) -> Option<NotReady> {
    let given = |part: &str| Some(part.to_owned()).filter(|part| !part.is_empty());
    let attributes = ResourceAttributes {
        verb: given(right.verb),
        group: given(right.group),
        resource: given(right.resource),
        subresource: given(right.subresource),
        name: if right.resource == NAMESPACES { namespace.map(Into::into) } else { given(right.name) },
        namespace: namespace.map(Into::into),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), non_resource_attributes: None };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    match Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await {
        Ok(review) => review.status.is_some_and(|status| !status.allowed).then(|| right.missing(namespace)),
        Err(kube::Error::Api(status)) if status.code != 401 && status.code < 500 => None,
        Err(error) => Some(unanswered(&error)),
    }
}

fn unanswered(error: &kube::Error) -> NotReady {
    match error {
        kube::Error::Api(status) if status.code == 401 => NotReady::Unauthenticated,
        _ => NotReady::Unreachable,
    }
}

impl Right {
    fn missing(&self, namespace: Option<&str>) -> NotReady {
        let part = |before: &str, part: &str| if part.is_empty() { String::new() } else { format!("{before}{part}") };
        let resource = format!("{}{}{}{}", self.resource, part("/", self.subresource), part(".", self.group), part(" named ", self.name));
        NotReady::MissingRight { verb: self.verb.into(), resource, namespace: namespace.map(Into::into) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_named_as_a_person_would_grant_it() {
        for (right, namespace, said) in [
            (ours("list", "onfidoproviders", ""), None, "missing right: list on onfidoproviders.onfido-operator.dev"),
            (
                ours("patch", "onfidoproviders", "status"),
                Some("shop"),
                "missing right: patch on onfidoproviders/status.onfido-operator.dev in namespace shop",
            ),
            (secrets("patch", ""), Some("shop"), "missing right: patch on secrets in namespace shop"),
            (OWN[0], Some("own"), "missing right: get on secrets named onfido-operator-digest-key in namespace own"),
        ] {
            assert_eq!(right.missing(namespace).to_string(), said);
        }
    }

    #[test]
    fn the_table_speaks_of_our_kinds() {
        let kinds = [OnfidoProvider::plural(&()), IdentityVerification::plural(&())];
        for right in WATCHED.iter().filter(|right| !["", EVENTS.group].contains(&right.group)) {
            assert!(kinds.contains(&right.resource.into()) && right.group == OnfidoProvider::group(&()), "{right:?}");
        }
    }

    #[test]
    fn secrets_are_listed_and_watched_only_where_that_is_asked_for() {
        let watched = ["shop".to_owned()];
        let asked = |secrets_too| -> Vec<(Option<String>, &str)> {
            let scopes = scopes(&watched, secrets_too, "own");
            let of = |scope: &Scope<'_>| -> Vec<_> {
                let secrets = scope.rights.iter().filter(|right| right.resource == "secrets" && ["list", "watch"].contains(&right.verb));
                secrets.map(|right| (scope.namespace.map(Into::into), right.verb)).collect()
            };
            scopes.iter().flat_map(of).collect()
        };
        assert_eq!(asked(false), []);
        assert_eq!(asked(true), ["list", "watch"].map(|verb| (Some("shop".to_owned()), verb)), "not in its own namespace");
    }

    #[test]
    fn the_definitions_are_asked_for_once_and_the_own_namespace_comes_last() {
        let places = |watched: &[&str]| -> Vec<(Option<String>, usize, bool)> {
            let watched: Vec<String> = watched.iter().map(|name| (*name).to_owned()).collect();
            let scopes = scopes(&watched, false, "own");
            scopes.iter().map(|s| (s.namespace.map(Into::into), s.rights.len(), s.definitions)).collect()
        };
        let own = (Some("own".to_owned()), OWN.len(), false);
        assert_eq!(places(&[]), [(None, WATCHED.len(), true), own.clone()]);
        let [a, b] = [("a", true), ("b", false)].map(|(name, asked)| (Some(name.to_owned()), WATCHED.len(), asked));
        assert_eq!(places(&["a", "b"]), [a, b, own]);
    }
}
