//! Reading a scenario file, and the checks that its types can't make.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::scenario::{ExtensionSpec, Provision, Scenario};

impl Scenario {
    /// Reads and checks a scenario file of at most 4 MiB.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read scenario '{}'", path.display()))?;
        ensure!(text.len() <= 4 << 20, "cannot use scenario '{}': larger than 4 MiB", path.display());
        Self::parse(&text).with_context(|| format!("cannot use scenario '{}'", path.display()))
    }

    /// Parses and checks the text of a scenario.
    pub fn parse(text: &str) -> Result<Self> {
        let mut scenario: Self = toml::from_str(text)?;
        scenario.extension = repeated(&scenario.extension);
        for then in &mut scenario.then {
            then.extension = then.extension.as_deref().map(repeated);
        }
        scenario.check()?;
        Ok(scenario)
    }

    /// One of the scenarios shipped in `scenarios/`, by its file name without `.toml`.
    pub fn shipped(name: &str) -> Result<Self> {
        Self::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(format!("{name}.toml")))
    }

    /// The sets of extensions of all goal states.
    pub fn extension_sets(&self) -> impl Iterator<Item = &ExtensionSpec> {
        self.extension.iter().chain(self.then.iter().filter_map(|then| then.extension.as_ref()).flatten())
    }

    fn check(&self) -> Result<()> {
        for extension in self.extension_sets() {
            let name = &extension.name;
            if let Some(package) = &extension.package {
                ensure!(
                    self.package.iter().any(|p| &p.id == package),
                    "extension '{name}': no package '{package}'"
                );
            }
            ensure!(
                extension.settings.is_none() || extension.instance.is_empty(),
                "extension '{name}': has both 'settings' and 'instance'"
            );
            for settings in extension.settings.iter().chain(&extension.instance) {
                if settings.protected.is_some() {
                    self.has_certificate(&settings.certificate)
                        .with_context(|| format!("extension '{name}'"))?;
                }
            }
        }
        for certificate in self.then.iter().filter_map(|then| then.certificates.as_ref()).flatten() {
            self.has_certificate(certificate)?;
        }
        for package in &self.package {
            ensure!(
                package.script.is_some() || package.manifest.is_some(),
                "package '{}': has neither 'script' nor 'manifest'",
                package.id
            );
        }
        self.provision.as_ref().map_or(Ok(()), |provision| self.check_keys(provision))
    }

    fn check_keys(&self, provision: &Provision) -> Result<()> {
        for key in &provision.public_key {
            match (&key.value, &key.certificate) {
                (None, None) => bail!("public key '{}': has neither 'value' nor 'certificate'", key.path),
                (_, Some(certificate)) => self.has_certificate(certificate)?,
                (Some(_), None) => {}
            }
        }
        provision.key_pair.iter().try_for_each(|pair| self.has_certificate(&pair.certificate))
    }

    fn has_certificate(&self, name: &str) -> Result<()> {
        ensure!(self.certificate.iter().any(|known| known.name == name), "no certificate '{name}'");
        Ok(())
    }
}

/// Writes repeated extensions out, each with its number.
fn repeated(extensions: &[ExtensionSpec]) -> Vec<ExtensionSpec> {
    let numbered = |spec: &ExtensionSpec, n: u32| ExtensionSpec {
        name: spec.name.replace("{n}", &n.to_string()),
        repeat: 1,
        ..spec.clone()
    };
    extensions.iter().flat_map(|spec| (1..=spec.repeat).map(move |n| numbered(spec, n))).collect()
}
