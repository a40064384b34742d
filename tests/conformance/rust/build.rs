fn main() -> std::io::Result<()> {
    let protos = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../proto");
    tonic_prost_build::configure()
        .build_server(false)
        .compile_protos(&[format!("{protos}/muster/v1/presence.proto")], &[protos.to_string()])
}
