# One image per program. The last stages are the targets:
#
#   docker build --target frontend .    stoa-frontend
#   docker build --target worker .      stoa-worker
#   docker build --target stoa .        stoa: the whole in one process, and the operator's tool
#
# Why glibc, and Debian's: it is what every test runs against, and what the programs link to
# comes from the release that they were built on. Distroless images would do as well, but
# their tags move and so pin nothing.

FROM rust:1.95.0-slim-trixie AS build
WORKDIR /src
COPY . .
# Names of functions are enough for a backtrace.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
# What is in a cache mount is in no layer: the programs have to leave it.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked -p stoa-frontend -p stoa-worker -p stoa && \
    install -D -t /programs \
        target/release/stoa-frontend target/release/stoa-worker target/release/stoa

# The little that a frontend needs: the libraries that it links to, how names are looked up,
# and whom to trust. It starts no program and writes no file.
FROM build AS frontend-files
RUN mkdir -p /files/etc/ssl/certs && \
    ldd /programs/stoa-frontend | grep -o '/[^ ]*' | xargs cp -L --parents -t /files && \
    echo 'hosts: files dns' >/files/etc/nsswitch.conf && \
    cp /etc/ssl/certs/ca-certificates.crt /files/etc/ssl/certs/

# Git is asked to serve what its protocol alone cannot: dumb servers, file:// and files that
# are kept in one encoding and checked out in another. Some hosts of private modules are
# reached over SSH, whose client wants its user to have a name.
FROM debian:13.6-slim AS with-git
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates git openssh-client && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --gid 65532 stoa && \
    useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin stoa
# Packs and zips in the making, some GiB of them. A volume, so that the rest may be read-only.
ENV TMPDIR=/tmp
VOLUME /tmp

FROM scratch AS frontend
COPY --from=frontend-files /files /
COPY --from=build /programs/stoa-frontend /usr/local/bin/stoa-frontend
LABEL org.opencontainers.image.title="stoa-frontend" \
      org.opencontainers.image.description="Answers the go command from the bucket of a fleet, or asks its workers" \
      org.opencontainers.image.licenses="Apache-2.0"
# Loopback would be the container's own. The admin listener has to be opened by whoever has
# a token for it.
ENV STOA_LISTEN=0.0.0.0:3000
EXPOSE 3000 3001
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/stoa-frontend", "--probe"]
ENTRYPOINT ["/usr/local/bin/stoa-frontend"]

FROM with-git AS worker
COPY --from=build /programs/stoa-worker /usr/local/bin/stoa-worker
LABEL org.opencontainers.image.title="stoa-worker" \
      org.opencontainers.image.description="Consumes the jobs of a fleet: fetches modules and records them in the bucket" \
      org.opencontainers.image.licenses="Apache-2.0"
EXPOSE 3001
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/stoa-worker", "--probe"]
ENTRYPOINT ["/usr/local/bin/stoa-worker"]

FROM with-git AS stoa
COPY --from=build /programs/stoa /usr/local/bin/stoa
RUN install -d -o 65532 -g 65532 /var/lib/stoa
LABEL org.opencontainers.image.title="stoa" \
      org.opencontainers.image.description="A Go module proxy and registry: frontend and worker in one process" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV STOA_LISTEN=0.0.0.0:3000
ENV STOA_STORAGE=file:///var/lib/stoa
VOLUME /var/lib/stoa
EXPOSE 3000 3001
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/stoa", "--probe"]
ENTRYPOINT ["/usr/local/bin/stoa"]
