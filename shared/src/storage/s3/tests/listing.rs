use super::*;

#[tokio::test]
async fn any_name_that_a_bucket_holds_is_listed_as_it_is() {
    let space = Space::new().await;
    let mut names =
        ["a b", "a%20b", "a+b", "a&b<c>\"d'", "a=b", "ümlaut/@v/v1.0.0+x.mod", "a\u{1}b", "a~b"];
    for name in names {
        space.storage.create(&key(name), Bytes::from("x").into()).await.unwrap();
    }
    names.sort_unstable();
    let listed = space.keys().await;
    assert_eq!(listed, names.map(|name| key(name).to_string()));
    space.clear().await;
}

#[tokio::test]
async fn a_page_may_be_longer_than_what_the_store_tells_at_once() {
    let space = Space::new().await;
    let names: Vec<String> = (0..1003).map(|number| format!("{number:04}")).collect();
    stream::iter(&names)
        .for_each_concurrent(32, async |name| {
            space.storage.put(&key(name), Bytes::from("x").into()).await.unwrap();
        })
        .await;
    let all = KeyPrefix::for_contract("");
    let page = space.storage.list(&all, None, 1002).await.unwrap();
    assert_eq!(page.keys.len(), 1002);
    let rest = space.storage.list(&all, page.next.as_deref(), 1002).await.unwrap();
    assert_eq!((rest.keys, rest.next), (vec![key("1002").to_string()], None));
    for limit in [1003, 5000] {
        let page = space.storage.list(&all, None, limit).await.unwrap();
        assert_eq!((page.keys.len(), page.next), (1003, None));
    }
    space.clear().await;
}

#[tokio::test]
async fn a_place_outside_the_prefix_is_before_or_after_all_of_it() {
    let space = Space::new().await;
    space.storage.create(&key("b/x"), Bytes::from("x").into()).await.unwrap();
    let prefix = KeyPrefix::for_contract("b/");
    for (after, found) in [("", 1), ("_stoa/contract/a", 1), ("_stoa/contract/c", 0), ("z", 0)] {
        let page = space.storage.list(&prefix, Some(after), 10).await.unwrap();
        assert_eq!((page.keys.len(), page.next), (found, None), "{after:?}");
    }
    space.clear().await;
}

#[tokio::test]
async fn siblings_that_come_before_a_place_do_not_hide_what_comes_after() {
    let space = Space::new().await;
    // MinIO walks through all of `a-b/` to find what comes after `a/0`.
    let siblings = (0..40).map(|number| format!("a-b/{number:02}"));
    let names: Vec<String> =
        siblings.chain(["a/0", "a/1", "a0", "a1/x", "b"].map(str::to_owned)).collect();
    for name in &names {
        space.storage.put(&key(name), Bytes::from("x").into()).await.unwrap();
    }
    let all = KeyPrefix::for_contract("");
    for limit in [1, 2, 7] {
        let (mut listed, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = space.storage.list(&all, after.as_deref(), limit).await.unwrap();
            assert!(page.keys.len() <= limit);
            listed.extend(page.keys);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<String> = names.iter().map(|name| key(name).to_string()).collect();
        assert_eq!(listed, expected, "by {limit}");
    }
    space.clear().await;
}
