//! The sets of values, and what each is about.

use onfido_operator::dev::ADMIN;
use serde_json::{Value, json};

use super::{Judge, chart, parent, template};
use crate::chart::Objects;
use crate::support::control_plane::namespace;

/// Where a set is installed, and what it may watch.
struct At {
    release: String,
    namespace: String,
    shop: String,
    digits: String,
}

/// A name, values, and what must hold of what they render.
type Set = (&'static str, fn(&At) -> Value, fn(&At, &Objects));

const NAME: &str = "onfido-operator";

fn sets() -> Vec<Set> {
    vec![
        ("defaults", |_| json!({}), defaults),
        ("a list of namespaces", |at| json!({ "watchNamespaces": [at.shop, at.namespace] }), namespaced),
        ("secrets watched", |_| json!({ "watchSecrets": true }), |_, objects| secrets_watched(&objects.all("ClusterRole"), objects)),
        (
            "secrets watched in a list of namespaces",
            |at| json!({ "watchSecrets": true, "watchNamespaces": [at.shop, at.namespace] }),
            |_, objects| secrets_watched(&objects.all("Role"), objects),
        ),
        (
            "an ingress with tls",
            |_| json!({ "ingress": { "enabled": true, "host": "verify.example.com", "tlsSecretName": "verify-tls", "className": "nginx", "annotations": { "a": "b" } } }),
            |_, objects| {
                let ingress = objects.one("Ingress");
                assert_eq!(objects.public_url(), "https://verify.example.com");
                assert_eq!(ingress["spec"]["tls"], json!([{ "hosts": ["verify.example.com"], "secretName": "verify-tls" }]));
                assert_eq!(ingress["spec"]["ingressClassName"], "nginx");
                assert_eq!(ingress["metadata"]["annotations"], json!({ "a": "b" }));
                let [path] = &ingress["spec"]["rules"][0]["http"]["paths"].as_array().unwrap()[..] else { panic!("{ingress}") };
                assert_eq!([&path["path"], &path["pathType"]], ["/webhooks/", "Prefix"]);
                assert_eq!(path["backend"]["service"], json!({ "name": NAME, "port": { "name": "webhook" } }));
            },
        ),
        (
            "an ingress where tls ends elsewhere",
            |_| json!({ "ingress": { "enabled": true, "host": "verify.example.com" }, "webhook": { "publicURL": "https://verify.example.com/onfido/" } }),
            |_, objects| {
                assert_eq!(objects.public_url(), "https://verify.example.com/onfido");
                assert_eq!(objects.one("Ingress")["spec"].get("tls"), None);
            },
        ),
        (
            "an ingress without tls",
            |_| json!({ "ingress": { "enabled": true, "host": "verify.example.com" } }),
            |_, objects| assert_eq!(objects.public_url(), "http://verify.example.com"),
        ),
        (
            "no rbac",
            |at| json!({ "rbac": { "create": false }, "watchNamespaces": [at.shop] }),
            |_, objects| {
                for kind in ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"] {
                    assert_eq!(objects.names(kind), [""; 0], "{kind}");
                }
            },
        ),
        (
            "no aggregated roles",
            |_| json!({ "rbac": { "aggregate": false } }),
            |_, objects| assert_eq!(objects.names("ClusterRole"), [NAME]),
        ),
        (
            "an existing account",
            |_| json!({ "serviceAccount": { "create": false, "name": "deployer" } }),
            |at, objects| {
                assert_eq!(objects.names("ServiceAccount"), [""; 0]);
                assert_eq!(objects.pod()["spec"]["serviceAccountName"], "deployer");
                assert_eq!(
                    objects.one("ClusterRoleBinding")["subjects"],
                    json!([{ "kind": "ServiceAccount", "name": "deployer", "namespace": at.namespace }])
                );
                let user = format!("'system:serviceaccount:{}:deployer'", at.namespace);
                for policy in objects.all("ValidatingAdmissionPolicy") {
                    assert!(policy["spec"].to_string().contains(&user), "{policy}");
                }
            },
        ),
        (
            "an account of another name",
            |_| json!({ "serviceAccount": { "name": "onfido", "annotations": { "a": "b" } } }),
            |_, objects| {
                let account = objects.one("ServiceAccount");
                assert_eq!([&account["metadata"]["name"], &objects.pod()["spec"]["serviceAccountName"]], ["onfido", "onfido"]);
                assert_eq!(account["metadata"]["annotations"], json!({ "a": "b" }));
            },
        ),
        (
            "a digest",
            |_| json!({ "image": { "repository": "registry.example.com:5000/onfido", "digest": format!("sha256:{}", "0a".repeat(32)), "pullPolicy": "Always" }, "imagePullSecrets": [{ "name": "pull" }] }),
            |_, objects| {
                let container = objects.container();
                assert_eq!(container["image"], format!("registry.example.com:5000/onfido@sha256:{}", "0a".repeat(32)));
                assert_eq!(container["imagePullPolicy"], "Always");
                assert_eq!(objects.pod()["spec"]["imagePullSecrets"], json!([{ "name": "pull" }]));
            },
        ),
        (
            "a tag and a digest",
            |_| json!({ "image": { "tag": "1.2", "digest": format!("sha256:{}", "0a".repeat(32)) } }),
            |_, objects| {
                let image = objects.container()["image"].as_str().unwrap();
                assert!(image.starts_with("registry.example.com/onfido-operator:1.2@sha256:0a0a"), "{image}");
            },
        ),
        (
            "a port of the node",
            |_| json!({ "service": { "type": "NodePort", "port": 8443, "nodePort": 30123 } }),
            |at, objects| {
                let service = &objects.one("Service")["spec"];
                assert_eq!([&service["type"], &service["ports"][0]["nodePort"]], [&json!("NodePort"), &json!(30123)]);
                assert_eq!(objects.public_url(), format!("http://{NAME}.{}.svc:8443", at.namespace));
            },
        ),
        (
            "a load balancer",
            |_| json!({ "service": { "type": "LoadBalancer", "annotations": { "a": "b" } }, "webhook": { "publicURL": "https://verify.example.com:8443" } }),
            |_, objects| {
                assert_eq!(objects.one("Service")["metadata"]["annotations"], json!({ "a": "b" }));
                assert_eq!(objects.public_url(), "https://verify.example.com:8443");
            },
        ),
        ("everything of the pod", pod_values, pod),
        (
            "long names",
            |_| json!({ "nameOverride": "n".repeat(80), "fullnameOverride": format!("{}-{}", "f".repeat(62), "g".repeat(20)) }),
            |_, objects| {
                assert_eq!(objects.one("Deployment")["metadata"]["name"], "f".repeat(62), "no hyphen at its end");
                assert_eq!(objects.one("Deployment")["metadata"]["labels"]["app.kubernetes.io/name"], "n".repeat(63));
            },
        ),
        (
            "no definitions and no policies",
            |_| json!({ "crds": { "enabled": false }, "admissionPolicies": { "enabled": false } }),
            |_, objects| {
                for kind in ["CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"] {
                    assert_eq!(objects.names(kind), [""; 0], "{kind}");
                }
            },
        ),
        (
            "definitions that go",
            |_| json!({ "crds": { "keep": false } }),
            |_, objects| {
                assert_eq!(objects.all("CustomResourceDefinition").len(), 2);
                for definition in objects.all("CustomResourceDefinition") {
                    assert_eq!(definition["metadata"].get("annotations"), None);
                }
            },
        ),
        (
            "names that yaml takes for something else",
            |at| json!({ "nameOverride": "null", "fullnameOverride": "true", "watchNamespaces": [at.digits], "serviceAccount": { "name": "1e3" } }),
            |at, objects| {
                assert_eq!(objects.one("Deployment")["metadata"]["name"], "true");
                assert!(objects.args().contains(&&*format!("--watch-namespace={}", at.digits)));
            },
        ),
        (
            "nothing asked for",
            |_| json!({ "resources": { "requests": null, "limits": null } }),
            |_, objects| {
                assert_eq!(objects.container().get("resources"), None);
            },
        ),
    ]
}

fn defaults(at: &At, objects: &Objects) {
    assert_eq!(
        objects.args(),
        [
            "run",
            "--webhook-listen=0.0.0.0:8080",
            "--health-listen=0.0.0.0:8081",
            &format!("--webhook-public-url=http://{NAME}.{}.svc", at.namespace),
            "--log-level=info",
            "--log-format=json",
        ]
    );
    let [pod, container] = [&objects.pod()["spec"], objects.container()];
    assert_eq!(container["image"], format!("registry.example.com/onfido-operator:{}", env!("CARGO_PKG_VERSION")));
    assert_eq!([&pod["terminationGracePeriodSeconds"], &pod["automountServiceAccountToken"]], [&json!(60), &json!(true)]);
    assert_eq!(pod["securityContext"], json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } }));
    let hardened = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } });
    assert_eq!(container["securityContext"], hardened);
    assert_eq!(container["env"], json!([{ "name": "POD_NAMESPACE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } }]));
    assert_eq!(container["livenessProbe"]["httpGet"], json!({ "path": "/healthz", "port": "health" }));
    assert_eq!(container["readinessProbe"]["httpGet"], json!({ "path": "/readyz", "port": "health" }));
    let deployment = &objects.one("Deployment")["spec"];
    assert_eq!(deployment["replicas"], 1);
    assert_eq!(deployment["strategy"]["rollingUpdate"], json!({ "maxSurge": 1, "maxUnavailable": 0 }));
    let service = &objects.one("Service")["spec"];
    assert_eq!(service["ports"], json!([{ "name": "webhook", "port": 80, "targetPort": "webhook" }]), "and not the health port");
    assert_eq!([&service["selector"], &service["selector"]], [&deployment["selector"]["matchLabels"]; 2]);
    assert_eq!(objects.one("ServiceAccount")["automountServiceAccountToken"], false);
    assert_eq!(objects.names("ClusterRole"), [format!("{NAME}-view"), format!("{NAME}-edit"), NAME.into()]);
    assert_eq!(objects.names("Role"), [format!("{}/{NAME}-own", at.namespace)]);
    assert_eq!(objects.one("ClusterRoleBinding")["roleRef"]["name"], NAME);
    assert_eq!(objects.all("Ingress").len(), 0);
    for definition in objects.all("CustomResourceDefinition") {
        assert_eq!(definition["metadata"]["annotations"], json!({ "helm.sh/resource-policy": "keep" }));
    }
}

fn namespaced(at: &At, objects: &Objects) {
    assert_eq!(objects.names("ClusterRoleBinding"), [""; 0]);
    assert_eq!(objects.names("ClusterRole"), [format!("{NAME}-view"), format!("{NAME}-edit")], "bound to nobody by the chart");
    let mut wanted = vec![format!("{}/{NAME}", at.shop), format!("{}/{NAME}", at.namespace), format!("{}/{NAME}-own", at.namespace)];
    wanted.sort();
    for kind in ["Role", "RoleBinding"] {
        let mut found = objects.names(kind);
        found.sort();
        assert_eq!(found, wanted, "{kind}");
    }
    for role in objects.all("Role").into_iter().filter(|role| role["metadata"]["name"] == NAME) {
        let rules = role["rules"].as_array().unwrap();
        let of: Vec<_> = rules.iter().filter(|rule| rule["resources"] == json!(["namespaces"])).collect();
        assert_eq!(of[0]["resourceNames"], json!([role["metadata"]["namespace"]]), "its own namespace and no other");
        assert_eq!(of.len(), 1);
    }
    let watched: Vec<_> = objects.args().into_iter().filter(|arg| arg.starts_with("--watch-namespace")).collect();
    assert_eq!(watched, [format!("--watch-namespace={}", at.shop), format!("--watch-namespace={}", at.namespace)]);
    let bindings = objects.all("ValidatingAdmissionPolicyBinding");
    let selector =
        |of: &str| &bindings.iter().find(|b| b["metadata"]["name"] == of).unwrap()["spec"]["matchResources"]["namespaceSelector"];
    let wanted =
        json!({ "matchExpressions": [{ "key": "kubernetes.io/metadata.name", "operator": "In", "values": [at.shop, at.namespace] }] });
    assert_eq!(selector(&format!("{NAME}-status")), &wanted);
    assert_eq!(selector(&format!("{NAME}-secrets")), &Value::Null, "wherever the account goes");
}

/// The operator's own Secret is not watched, and the built-in roles are not extended.
fn secrets_watched(roles: &[&Value], objects: &Objects) {
    assert!(objects.args().contains(&"--watch-secrets"));
    for role in roles {
        let rules = role["rules"].as_array().unwrap().iter();
        let verbs: Vec<_> =
            rules.filter(|rule| rule["resources"] == json!(["secrets"])).flat_map(|rule| rule["verbs"].as_array().unwrap()).collect();
        if role["metadata"]["name"] == NAME {
            assert_eq!(verbs, ["get", "create", "patch", "delete", "list", "watch"]);
        } else {
            assert!(!verbs.iter().any(|verb| *verb == "list" || *verb == "watch"), "{role}");
        }
    }
}

fn pod_values(_: &At) -> Value {
    json!({
        "webhook": { "port": 18080 }, "health": { "port": 18081 },
        "onfidoEndpoints": { "EU": "http://simulator.example.com:8090", "US": "https://proxy.example.com/onfido" },
        "logLevel": "debug", "logFormat": "text",
        "resources": { "limits": { "memory": "256Mi" } },
        "podAnnotations": { "a": "b" }, "podLabels": { "app.kubernetes.io/part-of": "identity" },
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "tolerations": [{ "key": "a", "operator": "Exists" }],
        "affinity": { "podAntiAffinity": {} },
        "priorityClassName": "system-cluster-critical",
        "extraEnv": [{ "name": "RUST_BACKTRACE", "value": "0" }, { "name": "SSL_CERT_FILE", "value": "/ca/ca.crt" }],
        "extraVolumes": [{ "name": "ca", "configMap": { "name": "ca" } }],
        "extraVolumeMounts": [{ "name": "ca", "mountPath": "/ca", "readOnly": true }],
    })
}

fn pod(at: &At, objects: &Objects) {
    let (values, template, container) = (pod_values(at), objects.pod(), objects.container());
    for flag in [
        "--webhook-listen=0.0.0.0:18080",
        "--health-listen=0.0.0.0:18081",
        "--onfido-endpoint=EU=http://simulator.example.com:8090",
        "--onfido-endpoint=US=https://proxy.example.com/onfido",
        "--log-level=debug",
        "--log-format=text",
    ] {
        assert!(objects.args().contains(&flag), "{flag}");
    }
    let ports: Vec<_> = container["ports"].as_array().unwrap().iter().map(|port| (&port["name"], &port["containerPort"])).collect();
    assert_eq!(ports, [(&json!("webhook"), &json!(18080)), (&json!("health"), &json!(18081))]);
    assert_eq!(objects.one("Service")["spec"]["ports"][0]["targetPort"], "webhook");
    assert_eq!(container["env"][0]["name"], "POD_NAMESPACE");
    assert_eq!(json!(container["env"].as_array().unwrap()[1..]), values["extraEnv"]);
    assert_eq!(container["resources"]["limits"], values["resources"]["limits"]);
    assert_eq!([&template["spec"]["volumes"], &container["volumeMounts"]], [&values["extraVolumes"], &values["extraVolumeMounts"]]);
    for place in ["nodeSelector", "tolerations", "affinity", "priorityClassName"] {
        assert_eq!(template["spec"][place], values[place]);
    }
    assert_eq!(template["metadata"]["annotations"], values["podAnnotations"]);
    assert_eq!(template["metadata"]["labels"]["app.kubernetes.io/part-of"], "identity");
}

/// What holds of every set.
fn always(set: &str, at: &At, objects: &Objects) {
    for object in &objects.0 {
        let of = format!("{set}: {} {}", object["kind"], object["metadata"]["name"]);
        let labels = object["metadata"]["labels"].as_object().unwrap();
        for label in ["helm.sh/chart", "app.kubernetes.io/name", "app.kubernetes.io/version"] {
            let value = labels[label].as_str().unwrap();
            assert!((1..=63).contains(&value.len()) && !value.ends_with('-'), "{of}: {label}={value}");
        }
        assert_eq!([&labels["app.kubernetes.io/instance"], &labels["app.kubernetes.io/managed-by"]], [&json!(at.release), &json!("Helm")]);
    }
    let selected = &objects.one("Deployment")["spec"]["selector"]["matchLabels"];
    assert_eq!(selected.as_object().unwrap().len(), 2, "{set}: a selector never changes, so it holds what never changes");
    for (label, value) in selected.as_object().unwrap() {
        assert_eq!(&objects.pod()["metadata"]["labels"][label], value, "{set}");
    }
    for role in objects.all("Role").into_iter().chain(objects.all("ClusterRole")) {
        for rule in role["rules"].as_array().unwrap() {
            let all = rule.to_string();
            assert!(!all.contains('*'), "{set}: a wildcard: {all}");
            let secrets = rule["resources"].as_array().unwrap().contains(&json!("secrets"));
            let watches = secrets && (all.contains("list") || all.contains("watch"));
            assert!(!watches || set.starts_with("secrets watched"), "{set}: {all}");
        }
    }
}

#[tokio::test]
async fn every_set_of_values_is_accepted_and_does_what_it_is_about() {
    let judge = Judge::new().await;
    let [own, shop] = ["release", "shop"].map(|word| namespace(judge.plane, word));
    let digits = format!("{:08}", rand::random::<u32>() % 100_000_000);
    create(&judge, &digits).await;
    let at = At { release: NAME.into(), namespace: own.await, shop: shop.await, digits };
    let sets = sets();
    assert!(sets.len() >= 10);
    for (set, values, about) in sets {
        let rendered = template(judge.plane, &chart(), &at.release, &at.namespace, &values(&at)).await;
        let rendered = rendered.unwrap_or_else(|said| panic!("{set}: {said}"));
        let objects = Objects::read(&rendered);
        about(&at, &objects);
        always(set, &at, &objects);
        judge.accepts(set, &rendered).await;
    }
}

#[tokio::test]
async fn names_are_made_from_the_release_and_the_chart() {
    let judge = Judge::new().await;
    let at = At { release: "r".repeat(53), namespace: namespace(judge.plane, "long").await, shop: String::new(), digits: String::new() };
    let rendered = template(judge.plane, &chart(), &at.release, &at.namespace, &json!({})).await.unwrap();
    let objects = Objects::read(&rendered);
    assert_eq!(objects.one("Deployment")["metadata"]["name"], format!("{}-onfido-op", "r".repeat(53)));
    always("a long release", &at, &objects);
    judge.accepts("a long release", &rendered).await;
    for (release, name) in [("a", "a-onfido-operator"), ("my-onfido-operator", "my-onfido-operator"), (NAME, NAME)] {
        let objects = Objects::read(&template(judge.plane, &chart(), release, &at.namespace, &json!({})).await.unwrap());
        assert_eq!(objects.one("Deployment")["metadata"]["name"], name);
    }
}

#[tokio::test]
async fn another_chart_may_depend_on_it() {
    let judge = Judge::new().await;
    let parent = parent(judge.plane);
    let at = namespace(judge.plane, "parent").await;
    let values = |enabled: bool| json!({ "global": { "region": "EU" }, NAME: { "enabled": enabled, "logLevel": "debug" } });
    let rendered = template(judge.plane, &parent, "whole", &at, &values(true)).await.unwrap();
    let objects = Objects::read(&rendered);
    assert_eq!(objects.names("Deployment"), [format!("{at}/whole-{NAME}")]);
    assert!(objects.args().contains(&"--log-level=debug"));
    judge.accepts("a dependency", &rendered).await;
    assert_eq!(template(judge.plane, &parent, "whole", &at, &values(false)).await.unwrap().trim(), "");
}

async fn create(judge: &Judge, name: &str) {
    let namespaces = kube::Api::all(judge.plane.client(ADMIN).unwrap());
    let namespace: k8s_openapi::api::core::v1::Namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    namespaces.create(&Default::default(), &namespace).await.unwrap();
}
