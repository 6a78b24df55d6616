# A node of a grid in a container:
#   docker build -t dgrid .
#   docker run -d --name node-1 -e DGRID_REPO_URL=https://github.com/you/grid.git -e NODE_ID=node-1 -e GIT_TOKEN \
#     -v /var/run/docker.sock:/var/run/docker.sock --group-add "$(stat -c %g /var/run/docker.sock)" dgrid
# Whoever may talk to that socket is root on the machine: SECURITY.md, "A worker in a container", has what else there is.
# For a grid over SSH put a key and known_hosts into the volume, as /var/lib/dgrid/.ssh.
# A repository in a mounted folder must belong to user 10001, the one who works here: git serves no other owner's.
# Both bases may be anything with apk or apt-get, or with the commands that scripts/image.sh looks for.
ARG BUILD_BASE=alpine:3.22
ARG BASE=alpine:3.22

FROM ${BUILD_BASE} AS build
WORKDIR /src
COPY scripts/install-deps.sh scripts/image.sh scripts/
RUN sh scripts/image.sh build
COPY . .
# One file that needs no library of the base it will stand in.
RUN make -s -j "$(nproc)" MODE_L='-static-pie -Wl,-z,relro,-z,now' && strip dgrid && ./dgrid version

FROM ${BASE}
# More packages of the base's, bubblewrap for one.
ARG EXTRA=""
COPY scripts/install-deps.sh scripts/image.sh /tmp/dgrid/
RUN sh /tmp/dgrid/image.sh run ${EXTRA} && rm -r /tmp/dgrid
COPY --from=build /src/dgrid /usr/local/bin/dgrid
COPY LICENSE NOTICE /usr/local/share/doc/dgrid/

ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="dgrid" \
      org.opencontainers.image.description="A worker of a distributed task grid in a Git repository" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The work folder is $XDG_STATE_HOME/dgrid/$NODE_ID: keep it, and a node that starts again settles what it left behind.
ENV HOME=/var/lib/dgrid XDG_STATE_HOME=/var/lib
VOLUME /var/lib/dgrid
WORKDIR /var/lib/dgrid
USER dgrid
# Drains: running tasks end, their results are recorded. Give it as long as a task may take: docker stop -t 330.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["dgrid", "health"]
ENTRYPOINT ["tini", "--", "dgrid"]
CMD ["worker"]
