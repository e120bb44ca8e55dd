//! Values that are refused, by a sentence that names them.

use serde_json::{Value, json};

use super::{chart, helm, template};
use crate::support::control_plane::control_plane;

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let plane = control_plane().await;
    let rows: Vec<(Value, &[&str])> = vec![
        // Together.
        (json!({ "ingress": { "enabled": true } }), &["ingress.enabled is true, so ingress.host must be set"]),
        (json!({ "serviceAccount": { "create": false } }), &["serviceAccount.create is false, so serviceAccount.name must"]),
        (
            json!({ "serviceAccount": { "create": false, "name": "a", "annotations": { "a": "b" } } }),
            &["serviceAccount.annotations has no effect while serviceAccount.create is false"],
        ),
        (json!({ "service": { "nodePort": 30080 } }), &["service.nodePort needs service.type NodePort or LoadBalancer"]),
        (json!({ "webhook": { "port": 8081 } }), &["webhook.port and health.port must differ: both are 8081"]),
        (json!({ "extraVolumeMounts": [{ "name": "ca", "mountPath": "/ca" }] }), &["extraVolumeMounts", "\"ca\"", "extraVolumes does not"]),
        (json!({ "podLabels": { "app.kubernetes.io/name": "a" } }), &["podLabels must not set app.kubernetes.io/name"]),
        (json!({ "podLabels": { "app.kubernetes.io/version": "a" } }), &["podLabels must not set app.kubernetes.io/version"]),
        (json!({ "extraEnv": [{ "name": "POD_NAMESPACE", "value": "a" }] }), &["extraEnv must not set POD_NAMESPACE"]),
        (json!({ "extraEnv": [{ "name": "ONFIDO_OPERATOR_LOG", "value": "a" }] }), &["extraEnv must not set", "use logLevel"]),
        (json!({ "serviceAccount": { "create": false, "name": "default" } }), &["serviceAccount.name must not be default"]),
        (json!({ "nameOverride": "onfido", "fullnameOverride": "a--" }), &["'/fullnameOverride'", "pattern"]),
        // Alone, where a sentence says more than a pattern.
        (json!({ "webhook": { "publicURL": "https://verify.example.com/$(POD_NAMESPACE)" } }), &["webhook.publicURL must be"]),
        (json!({ "image": { "digest": "sha256:ABC" } }), &["image.digest must be sha256: and 64", "sha256:ABC"]),
        (json!({ "image": { "digest": "a".repeat(64) } }), &["image.digest must be sha256: and 64"]),
        (json!({ "image": { "repository": "registry.example.com:5000/a:1.2" } }), &["image.repository must have neither tag nor digest"]),
        (json!({ "image": { "repository": "a@sha256:b" } }), &["image.repository must have neither tag nor digest"]),
        (json!({ "webhook": { "publicURL": "verify.example.com" } }), &["webhook.publicURL must be an http or https URL"]),
        (json!({ "webhook": { "publicURL": "ftp://verify.example.com" } }), &["webhook.publicURL must be an http or https URL"]),
        (json!({ "webhook": { "publicURL": "https://verify.example.com/?a=b" } }), &["webhook.publicURL", "query"]),
        (json!({ "webhook": { "publicURL": "https://verify.example.com/#a" } }), &["webhook.publicURL", "fragment"]),
        (json!({ "webhook": { "publicURL": "https://user:pass@verify.example.com" } }), &["webhook.publicURL", "without user"]),
        (json!({ "onfidoEndpoints": { "EU": "proxy" } }), &["onfidoEndpoints.EU must be an http or https URL"]),
        (json!({ "ingress": { "host": "https://verify.example.com" } }), &["ingress.host must be a host name"]),
        (json!({ "ingress": { "host": "*.example.com" } }), &["ingress.host must be a host name"]),
        (json!({ "ingress": { "host": "verify.example.com:443" } }), &["ingress.host must be a host name"]),
        // Alone, by the schema.
        (json!({ "watchNamespaces": ["a", "a"] }), &["'/watchNamespaces'", "equal"]),
        (json!({ "watchNamespaces": ["A_b"] }), &["'/watchNamespaces/0'", "pattern"]),
        (json!({ "watchNamespaces": (0..65).map(|n| format!("n{n}")).collect::<Vec<_>>() }), &["'/watchNamespaces'", "want 64"]),
        (json!({ "watchSecrets": "yes" }), &["'/watchSecrets'", "want boolean"]),
        (json!({ "watchNamespaces": "shop" }), &["'/watchNamespaces'", "want array"]),
        (json!({ "webhook": { "port": 80 } }), &["'/webhook/port'", "want 1,024"]),
        (json!({ "health": { "port": "8081" } }), &["'/health/port'", "want integer"]),
        (json!({ "service": { "type": "ExternalName" } }), &["'/service/type'", "'LoadBalancer'"]),
        (json!({ "logLevel": "loud" }), &["'/logLevel'", "'trace'"]),
        (json!({ "logFormat": "xml" }), &["'/logFormat'", "'text'"]),
        (json!({ "image": { "pullPolicy": "Sometimes" } }), &["'/image/pullPolicy'", "'IfNotPresent'"]),
        (json!({ "image": { "tag": 1.2 } }), &["'/image/tag'", "want string"]),
        (json!({ "onfidoEndpoints": { "UK": "https://a.example.com" } }), &["'/onfidoEndpoints'", "'UK' not allowed"]),
        (json!({ "fullnameOverride": "Not_A_Name" }), &["'/fullnameOverride'", "pattern"]),
        (json!({ "extraEnv": [{ "value": "a" }] }), &["'/extraEnv/0'", "'name'"]),
        (json!({ "serviceAccount": { "annotations": { "a": 1 } } }), &["'/serviceAccount/annotations/a'", "want string"]),
        (json!({ "crds": { "enabled": "yes" } }), &["'/crds/enabled'", "want boolean"]),
    ];
    let mut wrong = vec![];
    for (values, says) in rows {
        match template(plane, &chart(), "a", "a", &values).await {
            Ok(_) => wrong.push(format!("{values}: was rendered")),
            Err(said) if says.iter().all(|words| said.contains(words)) && !said.contains("pass") => {}
            Err(said) => wrong.push(format!("{values}: wanted {says:?}: {said}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_release_whose_name_no_service_can_have_is_refused() {
    let said = template(control_plane().await, &chart(), "1a", "a", &Value::Null).await.unwrap_err();
    assert!(said.contains("\"1a-onfido-operator\"") && said.contains("set fullnameOverride"), "{said}");
}

/// Helm takes a null for "without the default": a key that is missed there would be rendered as nothing.
#[tokio::test]
async fn no_value_can_be_taken_away() {
    let plane = control_plane().await;
    let shown = helm(plane, &["show", "values", &chart().to_string_lossy()], &Value::Null).await.unwrap();
    let values: Value = serde_saphyr::from_str(&shown).unwrap();
    let missing = |said: &str, path: &str, key: &str| {
        said.lines().any(|line| line.contains(&format!("at '{path}': missing propert")) && line.contains(&format!("'{key}'")))
    };
    let nothing = |map: &serde_json::Map<String, Value>| -> Value { map.keys().map(|key| (key.clone(), Value::Null)).collect() };
    let top = values.as_object().unwrap();
    let said = template(plane, &chart(), "a", "a", &nothing(top)).await.unwrap_err();
    let kept: Vec<_> = top.keys().filter(|key| !missing(&said, "", key)).collect();
    assert!(kept.is_empty(), "{kept:?}: {said}");
    for (section, map) in top.iter().filter_map(|(key, value)| Some((key, value.as_object()?))) {
        if map.is_empty() || section == "resources" {
            continue; // the API server's to judge
        }
        let said = template(plane, &chart(), "a", "a", &json!({ section.as_str(): nothing(map) })).await.unwrap_err();
        let kept: Vec<_> = map.keys().filter(|key| *key != "nodePort" && !missing(&said, &format!("/{section}"), key)).collect();
        assert!(kept.is_empty(), "{section}: {kept:?}: {said}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_wherever_it_stands() {
    let plane = control_plane().await;
    let shown = helm(plane, &["show", "values", &chart().to_string_lossy()], &Value::Null).await.unwrap();
    let values: Value = serde_saphyr::from_str(&shown).unwrap();
    // `resources` is Kubernetes' own, and the API server's to judge.
    let ours = |(key, value): &(&String, &Value)| *key != "resources" && value.as_object().is_some_and(|map| !map.is_empty());
    let sections: Vec<&str> = values.as_object().unwrap().iter().filter(ours).map(|(key, _)| key.as_str()).collect();
    assert!(sections.len() >= 9, "{sections:?}");
    let mut unknown = json!({ "unheardOf": 1, "onfidoEndpoints": { "unheardOf": "https://a.example.com" } });
    for section in &sections {
        unknown[*section] = json!({ "unheardOf": 1 });
    }
    let said = template(plane, &chart(), "a", "a", &unknown).await.unwrap_err();
    for section in sections.iter().chain(&["onfidoEndpoints"]).map(|section| format!("/{section}")).chain([String::new()]) {
        let line = format!("at '{section}': additional properties 'unheardOf' not allowed");
        assert!(said.contains(&line), "{line} is not in:\n{said}");
    }
    template(plane, &chart(), "a", "a", &json!({ "global": { "anything": 1 }, "enabled": true })).await.unwrap();
}
