// Pushes and pulls as containerd does, and buildkit: with containerd's own resolver, pusher, fetcher and content store,
// driven as its client drives them. Whoever is to log in stands in the environment (USERNAME, PASSWORD).
//
//	containerd push FOLDER NAME REF     pushes an image or index from a folder in OCI's image layout
//	containerd pull FOLDER REF          pulls it, and prints its digest; goes on with what a former pull left there
//	containerd blob DIGEST FILE REF     pushes one blob under this digest, whatever its content
//	containerd referrers DIGEST REF     prints the digests of what refers to this one
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/transfer"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/log"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var (
	mountFrom = flag.String("mount-from", "", "push: a repository of the same registry that may have the blobs")
	chunk     = flag.Int("chunk", 0, "pull: fetch layers in pieces of so many bytes, four at a time")
	stopAfter = flag.Int64("stop-after", 0, "pull: stop once so many bytes of a layer are there, as if killed")
)

func main() {
	flag.Parse()
	_ = log.SetLevel("error")
	if err := run(context.Background(), flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	commands := map[string]struct {
		arguments int
		run       func(context.Context, remotes.Resolver, []string) error
	}{"push": {3, push}, "pull": {2, pull}, "blob": {3, blob}, "referrers": {2, referrers}}
	if len(args) == 0 || commands[args[0]].arguments != len(args)-1 {
		return errors.New("push FOLDER NAME REF, pull FOLDER REF, blob DIGEST FILE REF or referrers DIGEST REF")
	}
	return commands[args[0]].run(ctx, newResolver(), args[1:])
}

// As containerd's client makes it where no hosts are configured: loopback is spoken to over plain HTTP.
func newResolver() remotes.Resolver {
	credentials := func(string) (string, string, error) {
		return os.Getenv("USERNAME"), os.Getenv("PASSWORD"), nil
	}
	resolver := docker.NewResolver(docker.ResolverOptions{
		Hosts: docker.ConfigureDefaultRegistries(
			docker.WithPlainHTTP(docker.MatchLocalhost),
			docker.WithAuthorizer(docker.NewDockerAuthorizer(docker.WithAuthCreds(credentials))),
		),
	})
	if *chunk > 0 {
		resolver.(remotes.ResolverWithOptions).SetOptions(
			transfer.WithConcurrentLayerFetchBuffer(*chunk),
			transfer.WithMaxConcurrentDownloads(4),
		)
	}
	return resolver
}

func push(ctx context.Context, resolver remotes.Resolver, args []string) error {
	store, err := local.NewStore(args[0])
	if err != nil {
		return err
	}
	root, err := find(args[0], args[1])
	if err != nil {
		return err
	}
	pusher, err := resolver.Pusher(ctx, args[2])
	if err != nil {
		return err
	}
	return remotes.PushContent(ctx, pusher, root, store, nil, platforms.All, func(next images.Handler) images.Handler {
		return images.HandlerFunc(func(ctx context.Context, one ocispec.Descriptor) ([]ocispec.Descriptor, error) {
			// containerd keeps in its store where a layer came from, and tells the pusher so.
			if *mountFrom != "" {
				host, _, _ := strings.Cut(args[2], ":")
				one.Annotations = map[string]string{"containerd.io/distribution.source." + host: *mountFrom}
			}
			return next.Handle(ctx, one)
		})
	})
}

// What the index of a layout has under a name.
func find(folder, name string) (ocispec.Descriptor, error) {
	bytes, err := os.ReadFile(filepath.Join(folder, ocispec.ImageIndexFile))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(bytes, &index); err != nil {
		return ocispec.Descriptor{}, err
	}
	for _, one := range index.Manifests {
		if one.Annotations[ocispec.AnnotationRefName] == name {
			return one, nil
		}
	}
	return ocispec.Descriptor{}, fmt.Errorf("%s has no %s", folder, name)
}

func pull(ctx context.Context, resolver remotes.Resolver, args []string) error {
	store, err := local.NewStore(args[0])
	if err != nil {
		return err
	}
	name, root, err := resolver.Resolve(ctx, args[1])
	if err != nil {
		return err
	}
	fetcher, err := resolver.Fetcher(ctx, name)
	if err != nil {
		return err
	}
	fetch := remotes.FetchHandler(store, fetcher)
	if *stopAfter > 0 {
		fetch = func(ctx context.Context, one ocispec.Descriptor) ([]ocispec.Descriptor, error) {
			if images.IsLayerType(one.MediaType) && one.Size > *stopAfter {
				return nil, fetchSome(ctx, store, fetcher, one)
			}
			return remotes.FetchHandler(store, fetcher)(ctx, one)
		}
	}
	if err := images.Dispatch(ctx, images.Handlers(fetch, images.ChildrenHandler(store)), nil, root); err != nil {
		return err
	}
	fmt.Println(root.Digest)
	return nil
}

// As remotes.Fetch begins; it leaves what came, and ends.
func fetchSome(ctx context.Context, store content.Store, fetcher remotes.Fetcher, one ocispec.Descriptor) error {
	writer, err := content.OpenWriter(ctx, store, content.WithRef(remotes.MakeRefKey(ctx, one)), content.WithDescriptor(one))
	if err != nil {
		return err
	}
	defer writer.Close()
	body, err := fetcher.Fetch(ctx, one)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.CopyN(writer, body, *stopAfter); err != nil {
		return err
	}
	return fmt.Errorf("stopped after %d bytes of %s", *stopAfter, one.Digest)
}

func blob(ctx context.Context, resolver remotes.Resolver, args []string) error {
	bytes, err := os.ReadFile(filepath.Clean(args[1]))
	if err != nil {
		return err
	}
	pusher, err := resolver.Pusher(ctx, args[2])
	if err != nil {
		return err
	}
	one := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageLayer,
		Digest:    digest.Digest(args[0]),
		Size:      int64(len(bytes)),
	}
	writer, err := pusher.Push(ctx, one)
	if err != nil {
		return err
	}
	defer writer.Close()
	if _, err := writer.Write(bytes); err != nil {
		return err
	}
	return writer.Commit(ctx, one.Size, one.Digest)
}

func referrers(ctx context.Context, resolver remotes.Resolver, args []string) error {
	fetcher, err := resolver.Fetcher(ctx, args[1])
	if err != nil {
		return err
	}
	found, err := fetcher.(remotes.ReferrersFetcher).FetchReferrers(ctx, digest.Digest(args[0]))
	if err != nil {
		return err
	}
	for _, one := range found {
		fmt.Println(one.Digest)
	}
	return nil
}
