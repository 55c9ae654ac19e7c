# The container image of objpoold: `make image`, or
#
#   docker build -t objpool/objpoold .
#
# deploy/README.md says how to run it. To build from one exact base, pass its digest:
# --build-arg DEBIAN=docker.io/library/debian:bookworm-slim@sha256:...
ARG DEBIAN=docker.io/library/debian:bookworm-slim

FROM ${DEBIAN} AS build
WORKDIR /src
# The packages first: they change far less often than the sources, so this layer is mostly cached.
COPY deploy/apt deploy/apt
RUN deploy/apt/install.sh build && rm -rf /var/lib/apt/lists/*
COPY CMakeLists.txt CMakePresets.json LICENSE ./
COPY pool pool
COPY proto proto
COPY server server
COPY client client
# How many compilers run at a time; empty leaves it to Ninja.
ARG JOBS=
RUN cmake --preset release -DOBJPOOL_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr \
    && cmake --build --preset release ${JOBS:+--parallel "$JOBS"} \
    && DESTDIR=/out cmake --install build/release --strip --component programs
COPY deploy/image deploy/image
RUN deploy/image/runtime_packages.sh /out/usr/bin/objpoold /out/usr/bin/objpoolctl \
    > /out/runtime_packages

FROM ${DEBIAN}
# Which packages the programs link to is worked out in the build, so it cannot fall behind it.
COPY --from=build /out/runtime_packages /usr/share/objpool/runtime_packages
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive xargs -a /usr/share/objpool/runtime_packages \
       apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old \
       /var/log/apt /var/log/dpkg.log \
    && groupadd --gid 65532 objpool \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/objpool \
       --shell /usr/sbin/nologin objpool \
    # Group 0 may write too: platforms that choose a random user put it into that group.
    && install -d -o 65532 -g 0 -m 0770 /var/lib/objpool
COPY --from=build /out/usr/bin/objpoold /out/usr/bin/objpoolctl /usr/bin/
COPY --from=build /src/LICENSE /usr/share/doc/objpool/copyright
COPY deploy/container.textproto /etc/objpool/objpoold.textproto

# A number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 65532:65532
VOLUME /var/lib/objpool
EXPOSE 7420 9742
STOPSIGNAL SIGTERM
# A real call through the listener that clients use, 127.0.0.1:7420 or what OBJPOOL_SERVER says.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/usr/bin/objpoolctl", "probe"]
ENTRYPOINT ["/usr/bin/objpoold"]
CMD ["--config", "/etc/objpool/objpoold.textproto"]

# Last, because they change with every build.
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="objpoold" \
      org.opencontainers.image.description="Leases pooled handles over gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
