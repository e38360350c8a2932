//! The suite that every [`Storage`] passes. Cases panic where the contract is broken.
//!
//! Each case works under a random prefix of its own, so that they can run side by
//! side and again over the same store, and clears it at its end.

#![allow(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    collections::HashSet,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::join_all, stream};
use tokio::{sync::Barrier, time};

use super::{Body, Draft, ETag, GetOptions, KeyPrefix, Object, Storage, StorageError, StorageKey};

/// Larger than any chunk, and no multiple of one.
const LARGE: usize = 3 * 1024 * 1024 + 17;

/// How many writers fight over one key.
const WRITERS: usize = 64;

/// Runs all cases, one after the other.
pub async fn run(storage: Arc<dyn Storage>) {
    run_where_connections_break(Arc::clone(&storage)).await;
    a_reader_keeps_the_object_it_began_with(&storage).await;
}

/// Runs all cases but the one that no store can pass whose connections break: a reader
/// of an object that is no longer there cannot begin again.
pub async fn run_where_connections_break(storage: Arc<dyn Storage>) {
    a_created_object_reads_back_and_is_never_created_twice(&storage).await;
    a_missing_object_is_not_found_whatever_is_asked(&storage).await;
    a_swap_needs_the_current_entity_tag(&storage).await;
    a_put_replaces_what_is_there(&storage).await;
    a_deleted_key_is_free_again(&storage).await;
    every_replacement_has_a_new_entity_tag(&storage).await;
    a_range_yields_its_bytes_and_the_size_of_the_whole(&storage).await;
    a_read_condition_refuses_another_entity_tag(&storage).await;
    a_streamed_body_is_stored_whole(&storage).await;
    a_draft_is_stored_whole_whoever_made_it(&storage).await;
    what_is_staged_is_stored_as_it_was(&storage).await;
    one_object_of_several_is_any(&storage).await;
    a_body_that_fails_leaves_what_was_there(&storage).await;
    a_write_that_is_dropped_midway_leaves_nothing(&storage).await;
    a_listing_is_in_byte_order_and_pages_without_gaps(&storage).await;
    one_of_many_creators_wins_with_its_own_bytes(&storage).await;
    no_update_by_compare_and_swap_is_lost(&storage).await;
}

/// A staged body is worth its bytes, in every kind of write, and nothing before.
pub async fn what_is_staged_is_stored_as_it_was(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let key = space.key("staged");
    for bytes in [Bytes::new(), "one".into(), large()] {
        let staged = storage.stage(bytes.clone()).await.unwrap();
        assert!(storage.head(&key).await.unwrap_err().is_not_found());
        let created = storage.create(&key, staged).await.unwrap();
        assert_eq!(storage.head(&key).await.unwrap(), created);
        assert!(read(storage.get(&key, GetOptions::default()).await.unwrap()).await == bytes);
        let staged = storage.stage("other".into()).await.unwrap();
        let swapped = storage.swap(&key, &created.etag, staged).await.unwrap();
        assert_ne!(swapped.etag, created.etag);
        storage.delete(&key).await.unwrap();
    }
    drop(storage.stage("never written".into()).await.unwrap());
}

/// Any of the keys will do, whatever else lies around it.
pub async fn one_object_of_several_is_any(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let keys = ["a", "b/c", "d/e/f"].map(|name| space.key(name));
    assert!(!storage.has_any(&[]).await.unwrap());
    for key in &keys {
        assert!(!storage.has_any(&keys).await.unwrap());
        storage.put(key, Bytes::from("x").into()).await.unwrap();
        assert!(storage.has_any(&keys).await.unwrap());
        // By now the directories around it are known.
        storage.delete(key).await.unwrap();
        assert!(!storage.has_any(&keys).await.unwrap());
    }
}

/// `create`, `head` and `get` agree; a second `create` is refused and changes nothing.
pub async fn a_created_object_reads_back_and_is_never_created_twice(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    for (name, bytes) in [("empty", Bytes::new()), ("small", "one".into()), ("large", large())] {
        let key = space.key(name);
        let created = storage.create(&key, bytes.clone().into()).await.unwrap();
        assert_eq!(created.size, bytes.len() as u64);
        assert_eq!(storage.head(&key).await.unwrap(), created);
        let object = storage.get(&key, GetOptions::default()).await.unwrap();
        assert_eq!((&object.meta, &object.range), (&created, &(0..created.size)));
        assert!(read(object).await == bytes, "{name}");

        let again = storage.create(&key, Bytes::from("two").into()).await;
        assert!(matches!(again, Err(StorageError::AlreadyExists { .. })), "{again:?}");
        assert_eq!(storage.head(&key).await.unwrap(), created);
    }
    space.clear().await;
}

/// A missing object, and one below an object's key, is [`StorageError::NotFound`].
pub async fn a_missing_object_is_not_found_whatever_is_asked(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    storage.put(&space.key("file.json"), Bytes::from("x").into()).await.unwrap();
    let tag = ETag("none".to_owned());
    let overlong = format!("overlong/{}", "x".repeat(300));
    for name in ["nothing", "no/directory/either", "file.json/below", &overlong] {
        let key = space.key(name);
        let conditional = GetOptions { range: Some(0..1), if_match: Some(tag.clone()) };
        assert!(storage.head(&key).await.unwrap_err().is_not_found(), "{name}");
        for options in [GetOptions::default(), conditional] {
            assert!(storage.get(&key, options).await.unwrap_err().is_not_found(), "{name}");
        }
        let swapped = storage.swap(&key, &tag, Bytes::from("y").into()).await;
        assert!(swapped.unwrap_err().is_not_found(), "{name}");
        storage.delete(&key).await.unwrap();
    }
    assert_eq!(space.keys().await, ["file.json"]);
    space.clear().await;
}

/// `swap` replaces under the current entity tag and refuses an older one.
pub async fn a_swap_needs_the_current_entity_tag(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let key = space.key("object");
    let first = storage.create(&key, Bytes::from("first").into()).await.unwrap();
    let second = storage.swap(&key, &first.etag, Bytes::from("second").into()).await.unwrap();
    let late = storage.swap(&key, &first.etag, Bytes::from("third").into()).await;
    assert!(matches!(late, Err(StorageError::PreconditionFailed { .. })), "{late:?}");
    assert_eq!(storage.head(&key).await.unwrap(), second);
    assert_eq!(space.read("object").await, "second");
    space.clear().await;
}

/// `put` writes over anything and nothing.
pub async fn a_put_replaces_what_is_there(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    for bytes in ["first", "", "third"] {
        storage.put(&space.key("object"), Bytes::from(bytes).into()).await.unwrap();
        assert_eq!(space.read("object").await, bytes);
    }
    space.clear().await;
}

/// `delete` frees the key; the entity tag of what was there no longer swaps.
pub async fn a_deleted_key_is_free_again(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let key = space.key("object");
    let first = storage.create(&key, Bytes::from("first").into()).await.unwrap();
    storage.delete(&key).await.unwrap();
    assert!(storage.head(&key).await.unwrap_err().is_not_found());
    let swapped = storage.swap(&key, &first.etag, Bytes::from("late").into()).await;
    assert!(swapped.unwrap_err().is_not_found());
    storage.create(&key, Bytes::from("second").into()).await.unwrap();
    assert_eq!(space.read("object").await, "second");
    space.clear().await;
}

/// Bytes of equal length in quick succession never share an entity tag.
pub async fn every_replacement_has_a_new_entity_tag(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let key = space.key("object");
    let mut tags = HashSet::new();
    for turn in 0..32_u8 {
        let meta = storage.put(&key, vec![turn].into()).await.unwrap();
        assert!(tags.insert(meta.etag), "write {turn} repeats an entity tag");
    }
    space.clear().await;
}

/// Ranges are cut at the end; a start at or past the end is refused with the size.
pub async fn a_range_yields_its_bytes_and_the_size_of_the_whole(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let (key, bytes) = (space.key("object"), large());
    let meta = storage.create(&key, bytes.clone().into()).await.unwrap();
    let size = meta.size;
    for (asked, given) in [
        (0..1, 0..1),
        (5..200_000, 5..200_000),
        (0..size, 0..size),
        (size - 1..size + 100, size - 1..size),
        (131_072..u64::MAX, 131_072..size),
    ] {
        let options = GetOptions { range: Some(asked.clone()), if_match: None };
        let object = storage.get(&key, options).await.unwrap();
        assert_eq!((&object.meta, &object.range), (&meta, &given), "{asked:?}");
        let expected = bytes.slice(given.start as usize..given.end as usize);
        assert!(read(object).await == expected, "{asked:?}");
    }
    for start in [size, size + 1] {
        let options = GetOptions { range: Some(start..u64::MAX), if_match: None };
        let refused = storage.get(&key, options).await;
        let told = matches!(
            refused,
            Err(StorageError::RangeNotSatisfiable { size: told, .. }) if told == size
        );
        assert!(told, "{refused:?}");
    }
    space.clear().await;
}

/// `if_match` lets the current entity tag through and no other.
pub async fn a_read_condition_refuses_another_entity_tag(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let key = space.key("object");
    let first = storage.put(&key, Bytes::from("first").into()).await.unwrap();
    let second = storage.put(&key, Bytes::from("other").into()).await.unwrap();
    let options = |tag| GetOptions { range: None, if_match: Some(tag) };
    let object = storage.get(&key, options(second.etag)).await.unwrap();
    assert_eq!(read(object).await, "other");
    let refused = storage.get(&key, options(first.etag)).await;
    assert!(matches!(refused, Err(StorageError::PreconditionFailed { .. })), "{refused:?}");
    space.clear().await;
}

/// A body of many chunks, empty ones among them, arrives whole by every kind of write.
pub async fn a_streamed_body_is_stored_whole(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let (key, bytes) = (space.key("object"), large());
    let streamed = || {
        let mut chunks: Vec<_> = bytes.chunks(50_021).map(Bytes::copy_from_slice).collect();
        chunks.insert(1, Bytes::new());
        Body::Stream(stream::iter(chunks.into_iter().map(Ok)).boxed())
    };
    let created = storage.create(&key, streamed()).await.unwrap();
    assert_eq!(created.size, bytes.len() as u64);
    assert!(space.read("object").await == bytes);
    storage.swap(&key, &created.etag, streamed()).await.unwrap();
    storage.put(&key, streamed()).await.unwrap();
    assert!(space.read("object").await == bytes);
    storage.put(&key, Body::Stream(stream::empty().boxed())).await.unwrap();
    assert_eq!(space.read("object").await, "");
    space.clear().await;
}

/// A draft is a body like others: the store's own, one that it has to copy, and one that is
/// refused.
pub async fn a_draft_is_stored_whole_whoever_made_it(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let (key, bytes) = (space.key("deep/below/object"), large());
    let with = |draft: Draft, bytes: &[u8]| {
        draft.file().write_all(bytes).unwrap();
        Body::File(draft)
    };
    for draft in [storage.draft().unwrap(), Draft::unnamed().unwrap()] {
        storage.expect(&key).await;
        assert!(storage.head(&key).await.unwrap_err().is_not_found());
        let created = storage.create(&key, with(draft, &bytes)).await.unwrap();
        assert_eq!(created.size, bytes.len() as u64);
        assert_eq!(storage.head(&key).await.unwrap(), created);
        assert!(space.read("deep/below/object").await == bytes);

        let other = storage.draft().unwrap();
        let refused = storage.create(&key, with(other, b"other")).await;
        assert!(matches!(refused, Err(StorageError::AlreadyExists { .. })), "{refused:?}");
        assert_eq!(storage.head(&key).await.unwrap(), created);

        let other = storage.draft().unwrap();
        storage.swap(&key, &created.etag, with(other, b"other")).await.unwrap();
        assert_eq!(space.read("deep/below/object").await, "other");
        storage.delete(&key).await.unwrap();
    }
    drop(with(storage.draft().unwrap(), b"never stored"));
    space.clear().await;
}

/// A failed body is [`StorageError::Body`] and changes nothing.
pub async fn a_body_that_fails_leaves_what_was_there(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let (free, taken) = (space.key("free"), space.key("taken"));
    let before = storage.create(&taken, Bytes::from("before").into()).await.unwrap();
    let failing = || {
        let chunks = [Ok(large()), Err(io::Error::other("the origin hung up")), Ok(large())];
        Body::Stream(stream::iter(chunks).boxed())
    };
    for refused in [
        storage.create(&free, failing()).await,
        storage.put(&free, failing()).await,
        storage.put(&taken, failing()).await,
        storage.swap(&taken, &before.etag, failing()).await,
    ] {
        assert!(matches!(refused, Err(StorageError::Body { .. })), "{refused:?}");
    }
    assert!(storage.head(&free).await.unwrap_err().is_not_found());
    assert_eq!(storage.head(&taken).await.unwrap(), before);
    assert_eq!(space.keys().await, ["taken"]);
    space.clear().await;
}

/// A dropped write leaves the key free.
pub async fn a_write_that_is_dropped_midway_leaves_nothing(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let key = space.key("object");
    let endless = stream::iter([Ok(large())]).chain(stream::pending());
    let writing = storage.create(&key, Body::Stream(endless.boxed()));
    assert!(time::timeout(Duration::from_millis(50), writing).await.is_err());
    assert!(storage.head(&key).await.unwrap_err().is_not_found());
    storage.create(&key, Bytes::from("whole").into()).await.unwrap();
    assert_eq!(space.read("object").await, "whole");
    space.clear().await;
}

/// Whole keys in byte order, whatever the page size, the prefix and the beginning.
pub async fn a_listing_is_in_byte_order_and_pages_without_gaps(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let mut names = [
        "a-b/@v/v1.json",
        "a/@v/v1.json",
        "a/@v/v1.json-x",
        "a/b/@v/v1.json",
        "a/b-c/@v/v1.json",
        "a/b.c/@v/v1.json",
        "a.json",
        "a0.json",
        "!a/@v/v1.json",
        "z/@v/v10.json",
        "z/@v/v2.json",
    ];
    for name in names {
        storage.create(&space.key(name), Bytes::from("x").into()).await.unwrap();
    }
    names.sort_unstable();
    for prefix in ["", "a", "a/", "a/b", "z/@v/", "z/@v/v2.json", "nothing/", "b"] {
        let expected: Vec<_> = names.iter().filter(|name| name.starts_with(prefix)).collect();
        for limit in [1, 2, 3, 100] {
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let place: Option<&str> = after.as_deref();
                let page = storage.list(&space.prefix(prefix), place, limit).await.unwrap();
                assert!(page.keys.len() <= limit);
                listed.extend(page.keys.iter().map(|key| space.name(key)));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert!(
                listed.iter().eq(expected.iter().copied()),
                "{prefix:?} by {limit}: {listed:?}"
            );
        }
    }
    // A place between keys, and one that is no key.
    let place = format!("{}a/b", space.prefix("").as_str());
    let page = storage.list(&space.prefix("a"), Some(&place), 1).await.unwrap();
    assert_eq!(space.name(&page.keys[0]), "a/b-c/@v/v1.json");
    space.clear().await;
}

/// Of many that create one key at once, exactly one succeeds, and its bytes are there.
pub async fn one_of_many_creators_wins_with_its_own_bytes(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let start = Arc::new(Barrier::new(WRITERS));
    let creators = (0..WRITERS).map(|creator| {
        let (storage, start) = (Arc::clone(storage), Arc::clone(&start));
        let key = space.key("new/directory/object");
        let bytes = Bytes::from(vec![creator as u8; 100_000]);
        tokio::spawn(async move {
            start.wait().await;
            match storage.create(&key, bytes.clone().into()).await {
                Ok(_) => Some(bytes),
                Err(StorageError::AlreadyExists { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        })
    });
    let winners: Vec<Bytes> =
        join_all(creators).await.into_iter().filter_map(|creator| creator.unwrap()).collect();
    assert_eq!(winners.len(), 1, "creators that succeeded");
    assert!(space.read("new/directory/object").await == winners[0]);
    space.clear().await;
}

/// Many that increment one number by reading and swapping lose no increment.
pub async fn no_update_by_compare_and_swap_is_lost(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let key = space.key("number");
    // Equal lengths, so that nothing but the entity tag tells the numbers apart.
    let body = |number: usize| Body::from(format!("{number:04}").into_bytes());
    storage.create(&key, body(0)).await.unwrap();
    let increments = (0..WRITERS).map(|_| {
        let (storage, key) = (Arc::clone(storage), key.clone());
        tokio::spawn(async move {
            loop {
                let object = storage.get(&key, GetOptions::default()).await.unwrap();
                let etag = object.meta.etag.clone();
                let text = read(object).await;
                let number: usize = std::str::from_utf8(&text).unwrap().parse().unwrap();
                match storage.swap(&key, &etag, body(number + 1)).await {
                    Ok(_) => break,
                    Err(StorageError::PreconditionFailed { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    join_all(increments).await.into_iter().for_each(|increment| increment.unwrap());
    assert_eq!(space.read("number").await, format!("{WRITERS:04}"));
    space.clear().await;
}

/// Replacing or deleting an object does not disturb who has begun to read it.
pub async fn a_reader_keeps_the_object_it_began_with(storage: &Arc<dyn Storage>) {
    let space = Space::new(storage);
    let (key, bytes) = (space.key("object"), large());
    storage.create(&key, bytes.clone().into()).await.unwrap();
    let mut object = storage.get(&key, GetOptions::default()).await.unwrap();
    let mut whole = object.body.next().await.unwrap().unwrap().to_vec();
    storage.put(&key, vec![0xff; LARGE].into()).await.unwrap();
    let replaced = storage.get(&key, GetOptions::default()).await.unwrap();
    storage.delete(&key).await.unwrap();
    whole.extend_from_slice(&read(object).await);
    assert!(whole == bytes);
    assert!(read(replaced).await.iter().all(|byte| *byte == 0xff));
    space.clear().await;
}

/// The keys of one case.
struct Space<'a> {
    storage: &'a Arc<dyn Storage>,
    id: u64,
}

impl<'a> Space<'a> {
    fn new(storage: &'a Arc<dyn Storage>) -> Self {
        Self { storage, id: rand::random() }
    }

    fn key(&self, name: &str) -> StorageKey {
        StorageKey::for_contract(&format!("{:016x}/{name}", self.id))
    }

    fn prefix(&self, name: &str) -> KeyPrefix {
        KeyPrefix::for_contract(&format!("{:016x}/{name}", self.id))
    }

    /// The name that `key` was built from.
    fn name(&self, key: &str) -> String {
        key.strip_prefix(self.prefix("").as_str()).unwrap().to_owned()
    }

    async fn keys(&self) -> Vec<String> {
        let page = self.storage.list(&self.prefix(""), None, 1000).await.unwrap();
        page.keys.iter().map(|key| self.name(key)).collect()
    }

    async fn read(&self, name: &str) -> Bytes {
        read(self.storage.get(&self.key(name), GetOptions::default()).await.unwrap()).await
    }

    async fn clear(self) {
        for name in self.keys().await {
            self.storage.delete(&self.key(&name)).await.unwrap();
        }
        assert!(self.keys().await.is_empty());
    }
}

async fn read(object: Object) -> Bytes {
    let chunks = object.body.try_collect::<Vec<_>>().boxed().await.unwrap();
    chunks.concat().into()
}

/// Bytes in which no two places look alike from afar.
fn large() -> Bytes {
    (0..LARGE).map(|at| ((at % 251) ^ (at / 65_536)) as u8).collect()
}
