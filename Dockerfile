# The image: one static binary and the certificates it trusts, nothing else. `make image-root` lays the same files out without an engine.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN make image-root IMAGE_ROOT=/image-root

FROM scratch
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="onfido-operator" \
      org.opencontainers.image.description="A Kubernetes operator that verifies people's identity through Onfido" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /image-root/ /
USER 65532:65532
ENTRYPOINT ["/onfido-operator"]
