//! Reads just enough of a vector tile (MVT 2.1 in Protocol Buffers) to check what was written.

/// A layer as it was found in a tile.
#[derive(Debug)]
pub struct Layer {
    pub name: String,
    pub extent: u64,
    pub features: Vec<Feature>,
}

/// A feature with its tags resolved and its geometry in absolute units.
#[derive(Debug)]
pub struct Feature {
    pub id: u64,
    pub tags: Vec<(String, String)>,
    pub kind: u64,
    /// Each part of the geometry; polygons' rings are not closed.
    pub parts: Vec<Vec<[i64; 2]>>,
}

impl Feature {
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a varint is cut off");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (inner, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(inner)
            }
            wire => panic!("wire type {wire} is not used in these tiles"),
        };
        found.push((key >> 3, field));
    }
    found
}

fn packed(mut bytes: &[u8]) -> Vec<u64> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(varint(&mut bytes));
    }
    values
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text is UTF-8")
}

/// The layers of a tile.
pub fn read(tile: &[u8]) -> Vec<Layer> {
    let layers = fields(tile).into_iter().filter_map(|f| match f {
        (3, Field::Bytes(b)) => Some(layer(b)),
        _ => None,
    });
    layers.collect()
}

fn layer(bytes: &[u8]) -> Layer {
    let (mut name, mut extent) = (String::new(), 0);
    let (mut keys, mut values, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields(bytes) {
        match field {
            (1, Field::Bytes(b)) => name = text(b),
            (2, Field::Bytes(b)) => raw.push(b),
            (3, Field::Bytes(b)) => keys.push(text(b)),
            (4, Field::Bytes(b)) => values.push(match fields(b).pop() {
                Some((1, Field::Bytes(b))) => text(b),
                _ => panic!("only texts are used as values"),
            }),
            (5, Field::Number(n)) => extent = n,
            (15, Field::Number(version)) => assert_eq!(version, 2),
            (other, _) => panic!("unknown field {other} of a layer"),
        }
    }
    Layer { name, extent, features: raw.into_iter().map(|b| feature(b, &keys, &values)).collect() }
}

fn feature(bytes: &[u8], keys: &[String], values: &[String]) -> Feature {
    let mut f = Feature { id: 0, tags: Vec::new(), kind: 0, parts: Vec::new() };
    for field in fields(bytes) {
        match field {
            (1, Field::Number(n)) => f.id = n,
            (2, Field::Bytes(b)) => {
                let pair = |p: &[u64]| (keys[p[0] as usize].clone(), values[p[1] as usize].clone());
                f.tags = packed(b).chunks(2).map(pair).collect();
            }
            (3, Field::Number(n)) => f.kind = n,
            (4, Field::Bytes(b)) => f.parts = geometry(&packed(b)),
            (other, _) => panic!("unknown field {other} of a feature"),
        }
    }
    f
}

/// Commands and their parameters (MVT 2.1 §4.3).
fn geometry(mut commands: &[u64]) -> Vec<Vec<[i64; 2]>> {
    let unzigzag = |n: u64| (n >> 1) as i64 ^ -((n & 1) as i64);
    let (mut parts, mut at): (Vec<Vec<[i64; 2]>>, _) = (Vec::new(), [0, 0]);
    while let Some((command, rest)) = commands.split_first() {
        commands = rest;
        let (id, count) = (command & 7, command >> 3);
        assert!(count > 0, "a command without a count");
        if id == 7 {
            continue;
        }
        for _ in 0..count {
            at = [at[0] + unzigzag(commands[0]), at[1] + unzigzag(commands[1])];
            commands = &commands[2..];
            match id {
                1 => parts.push(vec![at]),
                2 => parts.last_mut().expect("a line begins with MoveTo").push(at),
                other => panic!("unknown command {other}"),
            }
        }
    }
    parts
}
