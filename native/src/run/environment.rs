//! What a result depends on besides its flags: program, shaders and adapter.

use std::collections::BTreeMap;

use lastbit_core::arithmetic::{Arithmetic, DeviceClass, Subnormals};
use lastbit_core::device::AdapterSummary;
use lastbit_core::gpu::wgsl;
use lastbit_core::record::ORDER_VERSION;
use lastbit_core::train::Plan;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Program, shaders and adapter: together they fix the bits of a config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of lastbit.
    pub version: String,
    /// SHA-256 over the order of sums and the text of shaders: of a run's kernels, or of every shader.
    #[serde(default)]
    pub shaders_sha256: String,
    /// Name of the adapter.
    pub adapter: String,
    /// Driver of the adapter.
    pub driver: String,
    /// Programming interface of the adapter.
    pub backend: String,
    /// True if the processor does the work.
    pub software: bool,
    /// Version of docs/ORDER.md. This and the next two are `None` in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_version: Option<u32>,
    /// Class of the adapter, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<DeviceClass>,
    /// What the adapter does with subnormal numbers, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnormals: Option<Subnormals>,
    /// Promises that the adapter breaks, by the self-test with `--on-broken-device warn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
}

/// Text for what runs of earlier versions did not record.
pub const NOT_RECORDED: &str = "not recorded";

/// Whether equal configs have equal bits in two environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// They are promised (*across devices of one class*), whatever the adapters are. The text names the class and the version.
    Equal(String),
    /// They are not promised. The text says why.
    Nothing(String),
}

impl Environment {
    /// The environment of a run with this plan, on `adapter`, which computes with `arithmetic` and breaks the promises `broken`.
    pub fn of_run(adapter: &AdapterSummary, arithmetic: Arithmetic, broken: &[String], plan: &Plan) -> Self {
        Self::new(adapter, arithmetic, broken, kernels_sha256(plan))
    }

    /// The environment of work that may use any shader, on `adapter`, which computes with `arithmetic` and breaks the promises `broken`.
    pub fn of_all_shaders(adapter: &AdapterSummary, arithmetic: Arithmetic, broken: &[String]) -> Self {
        Self::new(adapter, arithmetic, broken, all_shaders_sha256())
    }

    fn new(adapter: &AdapterSummary, arithmetic: Arithmetic, broken: &[String], shaders_sha256: String) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            shaders_sha256,
            adapter: adapter.name.clone(),
            driver: adapter.driver.clone(),
            backend: adapter.backend.clone(),
            software: adapter.software,
            order_version: Some(ORDER_VERSION),
            class: Some(arithmetic.class),
            subnormals: Some(arithmetic.subnormals),
            broken: broken.to_vec(),
        }
    }

    /// Whether equal bits are promised between `self` and `other`.
    pub fn promise(&self, other: &Self) -> Promise {
        let nothing = |why: String| Promise::Nothing(why);
        let (Some(version), Some(class), Some(subnormals)) = (self.order_version, self.class, self.subnormals) else {
            return nothing(format!("the class of '{}' is {NOT_RECORDED}", self.adapter));
        };
        let (Some(their_version), Some(their_class), Some(theirs)) =
            (other.order_version, other.class, other.subnormals)
        else {
            return nothing(format!("the class of '{}' is {NOT_RECORDED}", other.adapter));
        };
        if let Some(broken) = [self, other].into_iter().find(|environment| !environment.broken.is_empty()) {
            return nothing(format!("'{}' failed the self-test", broken.adapter));
        }
        if version != their_version {
            return nothing(format!("they belong to versions {version} and {their_version} of docs/ORDER.md"));
        }
        if class != their_class {
            return nothing(format!("they belong to the classes {class} and {their_class}"));
        }
        if class == DeviceClass::Neither {
            return nothing("the adapters are neither fused nor separate".to_owned());
        }
        if subnormals != theirs {
            return nothing("subnormal numbers are kept in one and flushed in the other".to_owned());
        }
        Promise::Equal(format!("class {class}, version {version} of docs/ORDER.md"))
    }

    /// What differs between `self` and `now` and may change bits, one text each. `of` names the steps in the texts. Adapters of one
    /// class have the same bits.
    pub fn changes(&self, now: &Self, of: &str) -> Vec<String> {
        let hash = |environment: &Self| environment.shaders_sha256.get(..12).unwrap_or_default().to_owned();
        // What an earlier version did not record is not a change.
        let [class, subnormals] = [
            self.class.zip(now.class).map(|(was, is)| [was.name(), is.name()]),
            self.subnormals.zip(now.subnormals).map(|(was, is)| [was.name(), is.name()]),
        ]
        .map(|pair| pair.unwrap_or_default().map(str::to_owned));
        let is_promised = matches!(self.promise(now), Promise::Equal(_));
        let place = |text: &String| if is_promised { String::new() } else { text.clone() };
        let texts = [
            ("the shaders", hash(self), hash(now)),
            ("the adapter", place(&self.adapter), place(&now.adapter)),
            ("the driver", place(&self.driver), place(&now.driver)),
            ("the interface", place(&self.backend), place(&now.backend)),
            ("the class", class[0].clone(), class[1].clone()),
            ("what becomes of subnormal numbers", subnormals[0].clone(), subnormals[1].clone()),
            ("the self-test", self.broken.join("; "), now.broken.join("; ")),
        ];
        let changed = texts.into_iter().filter(|(_, was, is)| was != is);
        changed.map(|(what, was, is)| format!("{what}{of} ('{was}', now '{is}')")).collect()
    }
}

/// SHA-256 over the version of docs/ORDER.md and all kernels of a run, in hexadecimal. It does not depend on the kernels' order and
/// number of uses.
fn kernels_sha256(plan: &Plan) -> String {
    let kernels: BTreeMap<String, &str> =
        plan.kernels().into_iter().map(|kernel| (wgsl::source(kernel), kernel.name())).collect();
    let mut hasher = Sha256::new();
    hasher.update(ORDER_VERSION.to_le_bytes());
    for (source, name) in kernels {
        hasher.update(name);
        hasher.update([0]);
        hasher.update(source);
        hasher.update([0]);
    }
    format!("{:x}", hasher.finalize())
}

/// SHA-256 over the version of docs/ORDER.md and the text of every shader, in hexadecimal.
fn all_shaders_sha256() -> String {
    let mut hasher = Sha256::new();
    hasher.update(ORDER_VERSION.to_le_bytes());
    for text in wgsl::texts() {
        hasher.update(text);
        hasher.update([0]);
    }
    format!("{:x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(adapter: &str, class: DeviceClass, subnormals: Subnormals) -> Environment {
        Environment {
            version: "1".to_owned(),
            shaders_sha256: "0".repeat(64),
            adapter: adapter.to_owned(),
            driver: format!("driver of {adapter}"),
            backend: "vulkan".to_owned(),
            software: false,
            order_version: Some(ORDER_VERSION),
            class: Some(class),
            subnormals: Some(subnormals),
            broken: Vec::new(),
        }
    }

    #[test]
    fn adapters_of_one_class_have_the_same_bits() {
        let a = environment("a", DeviceClass::Fused, Subnormals::Kept);
        let b = environment("b", DeviceClass::Fused, Subnormals::Kept);
        assert_eq!(a.promise(&b), Promise::Equal(format!("class fused, version {ORDER_VERSION} of docs/ORDER.md")));
        assert_eq!(a.changes(&b, ""), [""; 0]);
        let shaders = Environment { shaders_sha256: "1".repeat(64), ..b };
        assert_eq!(a.changes(&shaders, " of step 1"), ["the shaders of step 1 ('000000000000', now '111111111111')"]);
    }

    #[test]
    fn other_environments_say_why_nothing_is_promised() {
        let a = environment("a", DeviceClass::Separate, Subnormals::Kept);
        let neither = environment("a", DeviceClass::Neither, Subnormals::Kept);
        let b = |class, subnormals| environment("b", class, subnormals);
        let separate = || b(DeviceClass::Separate, Subnormals::Kept);
        let why = |x: &Environment, y: &Environment| match (x.promise(y), y.promise(x)) {
            (Promise::Nothing(why), Promise::Nothing(_)) => why,
            other => panic!("{other:?}"),
        };
        let fused = b(DeviceClass::Fused, Subnormals::Kept);
        assert_eq!(why(&a, &fused), "they belong to the classes separate and fused");
        assert_eq!(why(&neither, &neither), "the adapters are neither fused nor separate");
        let flushed = b(DeviceClass::Separate, Subnormals::Flushed);
        assert_eq!(why(&a, &flushed), "subnormal numbers are kept in one and flushed in the other");
        let old = Environment { order_version: Some(1), ..separate() };
        assert_eq!(why(&old, &a), format!("they belong to versions 1 and {ORDER_VERSION} of docs/ORDER.md"));
        let broken = Environment { broken: vec!["tiles".to_owned()], ..separate() };
        assert_eq!(why(&a, &broken), "'b' failed the self-test");
        let place = ["the adapter ('a', now 'b')", "the driver ('driver of a', now 'driver of b')"];
        let changes = a.changes(&fused, "");
        assert_eq!(changes[..2], place);
        assert_eq!(changes[2..], ["the class ('separate', now 'fused')"]);
        assert_eq!(a.changes(&flushed, "")[2..], ["what becomes of subnormal numbers ('kept', now 'flushed')"]);
        // A manifest of an earlier version has none of the keys: what it has is compared, as before.
        let text = r#"{"version":"0","shaders_sha256":"","adapter":"a","driver":"driver of a","backend":"vulkan","software":false}"#;
        let earlier: Environment = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&earlier).unwrap(), text);
        assert_eq!(why(&earlier, &a), "the class of 'a' is not recorded");
        let now = Environment { shaders_sha256: String::new(), ..a };
        assert_eq!(earlier.changes(&now, ""), [""; 0]);
        assert_eq!(
            earlier.changes(&Environment { adapter: "b".to_owned(), ..now }, ""),
            ["the adapter ('a', now 'b')"]
        );
    }
}
