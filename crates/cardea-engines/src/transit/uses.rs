//! Uses of a key as requests on the Vault wire ask for them, one or a batch at once: items become calls of `ops`, results
//! become lines. One item that cannot be done never keeps the others from being done.

use crate::transit::Transit;
use crate::transit::forms::{self, Data, Item, Line, Lines, Made};
use crate::transit::last_use;
use crate::transit::names;
use crate::transit::ops::{self, Along};
use crate::transit::routes::{Batch, Using};
use crate::transit::{manage, model::KeyRecord};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::key::{HashAlgorithm, Key, KeyUsage, KeyUse, ToSign};
use cardea_model::{Body, Cause, Error, Payload, SecretBytes};
use cardea_sdk::{Context, Done, Outcome};
use std::sync::Arc;

/// The hash with which RSA keys encrypt on this wire.
pub const OAEP: HashAlgorithm = HashAlgorithm::Sha256;

impl Transit {
    /// Runs a batch.
    ///
    /// # Errors
    /// What concerns the request as a whole; of an item only if it is the only one and no list.
    pub async fn use_key(
        &self,
        cx: &mut Context<'_>,
        name: &str,
        using: &Using,
        batch: &Batch,
    ) -> Result<Outcome, Error> {
        let key = self.key_for(cx, name, using, batch).await?;
        let mut results = Vec::with_capacity(batch.items.len());
        for item in &batch.items {
            match self.use_once(cx, &key.0, using, item).await {
                Err(error) if forms::is_ours(&error) || !batch.listed => return Err(error),
                result => results.push(result),
            }
        }
        if !batch.listed {
            let made = results.into_iter().flatten().next();
            let made = made.ok_or_else(|| Error::internal("a use has no result"))?;
            if made.is_use() {
                last_use::note(cx, name, using.kind()).await?;
            }
            return Done::object(&made);
        }
        let failed = results.iter().filter(|result| result.is_err()).count();
        if results.iter().flatten().any(Made::is_use) {
            last_use::note(cx, name, using.kind()).await?;
        }
        // A batch of ciphertexts in which something failed has a status that says so; one of signatures has not.
        let status = match using {
            Using::Encrypt { .. } | Using::Decrypt | Using::Rewrap if failed == batch.items.len() => Some(400),
            Using::Encrypt { .. } | Using::Decrypt | Using::Rewrap if failed > 0 => Some(batch.partial_status),
            _ => None,
        };
        let lines = results.into_iter().zip(&batch.items).map(|(result, item)| {
            let (made, error) = match result {
                Ok(made) => (made, None),
                Err(error) => (Made::default(), Some(error.client)),
            };
            Line { made, error, reference: item.reference().to_owned() }
        });
        let form = Payload::of(&Lines { batch_results: lines.collect() })?;
        Ok(Done::body(match status {
            Some(status) => Body::Partial { status, payload: form },
            None => Body::Object(form),
        }))
    }

    /// The key, ready for what is asked; made, if it may be.
    async fn key_for(
        &self,
        cx: &mut Context<'_>,
        name: &str,
        using: &Using,
        batch: &Batch,
    ) -> Result<Arc<KeyRecord>, Error> {
        let missing = |error: Error| match error.cause {
            Cause::NotFound => Error::invalid(match using {
                Using::Sign(_) => "signing key not found",
                Using::Verify(_) => "signature verification key not found",
                _ => "encryption key not found",
            }),
            _ => error,
        };
        let seals = u64::try_from(batch.items.len()).unwrap_or(u64::MAX);
        match using {
            Using::Encrypt { new } => {
                match ops::ready(cx, &self.counter, name, seals).await {
                    Err(error) if error.cause == Cause::NotFound => {}
                    ready => return ready,
                }
                if manage::config(cx).await?.disable_upsert {
                    return Err(Error::invalid("encryption key not found"));
                }
                manage::create(cx, Some(name), new).await?;
                ops::ready(cx, &self.counter, name, seals).await
            }
            Using::Rewrap => ops::ready(cx, &self.counter, name, seals).await.map_err(missing),
            Using::Sign(_) | Using::Mac(_) => ops::ready(cx, &self.counter, name, 0).await.map_err(missing),
            Using::Decrypt | Using::Verify(_) => ops::find(cx, name).await.map_err(missing),
        }
    }

    async fn use_once(&self, cx: &mut Context<'_>, key: &Key, using: &Using, item: &Item) -> Result<Made, Error> {
        let (context, aad) = (item.context()?, item.associated_data()?);
        let along = Along { context: context.expose(), aad: aad.expose(), version: item.version()? };
        match using {
            Using::Encrypt { .. } => {
                let plaintext = item.plaintext()?;
                let (version, sealed) = ops::seal(cx, &self.counter, key, along, OAEP, plaintext.expose()).await?;
                Ok(encrypted(version, &sealed))
            }
            Using::Decrypt => {
                let plaintext = open(cx, key, along, item).await?;
                Ok(Made { plaintext: Some(forms::encoded(plaintext.expose())), ..Made::default() })
            }
            Using::Rewrap => {
                let plaintext = open(cx, key, along, item).await?;
                let (version, sealed) = ops::seal(cx, &self.counter, key, along, OAEP, plaintext.expose()).await?;
                Ok(encrypted(version, &sealed))
            }
            Using::Sign(words) => {
                if !key.allows(KeyUsage::Sign) {
                    return Err(Error::invalid("key type does not support signing"));
                }
                let input = item.input("missing input")?;
                let schemes = words.schemes(key.algorithm, input.expose())?;
                let scheme = *schemes.first().ok_or_else(|| Error::internal("an algorithm signs with no scheme"))?;
                let signed = ops::sign(cx, key, along, scheme, to_sign(words.prehashed, &input)).await?;
                Ok(Made {
                    signature: Some(forms::tagged(signed.version, &signed.signature, words.is_jws())),
                    public_key: signed.derived_public.map(|public| BASE64.encode(public)),
                    key_version: Some(signed.version),
                    ..Made::default()
                })
            }
            Using::Verify(words) => {
                let input = item.input("missing input")?;
                let valid = match (&item.signature, &item.hmac) {
                    (None, None) => {
                        return Err(Error::invalid("neither a 'signature' nor an 'hmac' was given to verify"));
                    }
                    (Some(_), Some(_)) => {
                        return Err(Error::invalid("provide one of 'signature' or 'hmac', not both"));
                    }
                    (Some(Data(text)), None) => {
                        if !key.allows(KeyUsage::Sign) {
                            return Err(Error::invalid("key type does not support verification"));
                        }
                        let schemes = words.schemes(key.algorithm, input.expose())?;
                        let (version, signature) = forms::untagged(text.expose(), "signature", words.is_jws())?;
                        let along = Along { version, ..along };
                        let input = to_sign(words.prehashed, &input);
                        ops::verify(cx, key, along, &schemes, input, &signature).await?
                    }
                    (None, Some(Data(text))) => {
                        let hash = names::hash(&words.hash)?;
                        let (version, mac) = forms::untagged(text.expose(), "HMAC to verify", false)?;
                        ops::verify_mac(cx, key, version, hash, input.expose(), &mac).await?
                    }
                };
                Ok(Made { valid: Some(valid), ..Made::default() })
            }
            Using::Mac(word) => {
                let input = item.input("missing input for HMAC")?;
                let (version, mac) = ops::mac(cx, key, along.version, names::hash(word)?, input.expose()).await?;
                Ok(Made { hmac: Some(forms::tagged(version, &mac, false)), ..Made::default() })
            }
        }
    }

    /// A fresh key, sealed, and in clear if that is asked.
    ///
    /// # Errors
    /// What forbids encrypting with the key.
    pub async fn data_key(
        &self,
        cx: &mut Context<'_>,
        name: &str,
        with_plaintext: bool,
        bytes: usize,
        item: &Item,
    ) -> Result<Made, Error> {
        let key = match ops::ready(cx, &self.counter, name, 1).await {
            Err(error) if error.cause == Cause::NotFound => {
                return Err(Error::invalid("encryption key not found"));
            }
            key => key?,
        };
        let (context, aad) = (item.context()?, item.associated_data()?);
        let along = Along { context: context.expose(), aad: aad.expose(), version: item.version()? };
        let fresh = fresh(cx, bytes);
        let (version, sealed) = ops::seal(cx, &self.counter, &key.0, along, OAEP, fresh.expose()).await?;
        let plaintext = with_plaintext.then(|| forms::encoded(fresh.expose()));
        let what = if with_plaintext { KeyUse::DataKey } else { KeyUse::DataKeyWithoutPlaintext };
        last_use::note(cx, name, what).await?;
        Ok(Made { plaintext, ..encrypted(version, &sealed) })
    }
}

/// Random bytes.
pub fn fresh(cx: &Context<'_>, bytes: usize) -> SecretBytes {
    let mut out = zeroize::Zeroizing::new(vec![0; bytes]);
    cx.rng.fill(&mut out);
    SecretBytes::new(std::mem::take(&mut *out))
}

fn encrypted(version: u64, sealed: &[u8]) -> Made {
    Made { ciphertext: Some(forms::tagged(version, sealed, false)), key_version: Some(version), ..Made::default() }
}

async fn open(cx: &mut Context<'_>, key: &Key, along: Along<'_>, item: &Item) -> Result<SecretBytes, Error> {
    let Some(Data(text)) = item.ciphertext.as_ref().filter(|Data(text)| !text.is_empty()) else {
        return Err(Error::invalid("missing ciphertext to decrypt"));
    };
    let (version, sealed) = forms::ciphertext(text.expose(), key)?;
    ops::open(cx, key, Along { version, ..along }, OAEP, &sealed).await
}

fn to_sign(prehashed: bool, input: &SecretBytes) -> ToSign<'_> {
    if prehashed { ToSign::Digest(input.expose()) } else { ToSign::Message(input.expose()) }
}
