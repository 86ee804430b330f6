# Laminar alone: it needs a database (--database-url), or a PostgreSQL server in
# the image and a volume for --data-dir.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
ARG COMMIT=
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /out/laminar ./cmd/laminar

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --uid 9201 --home-dir /nonexistent laminar
COPY --from=build /out/laminar /usr/local/bin/laminar
USER laminar
EXPOSE 9201
ENTRYPOINT ["laminar"]
CMD ["serve"]
