// What gophercloud does with the service: every call of its containerinfra package but upgrade, typed
// answers and all. It works on a cluster that is there (its uuid is the one argument), makes and removes
// what else it needs, and prints what it saw as one JSON object.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/certificates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clustertemplates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/nodegroups"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

var ctx = context.Background()

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// service logs in by password, with the OS_ variables of the environment.
func service() *gophercloud.ServiceClient {
	provider := must(openstack.AuthenticatedClient(ctx, must(openstack.AuthOptionsFromEnv())))
	where := gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}
	return must(openstack.NewContainerInfraV1(provider, where))
}

// template makes, finds on pages of one, changes and shows a cluster template.
func template(client *gophercloud.ServiceClient) *clustertemplates.ClusterTemplate {
	no, size := false, 5
	made := must(clustertemplates.Create(ctx, client, clustertemplates.CreateOpts{
		Name: "go", COE: "swarm", ImageID: "fedora-atomic-23", FlavorID: "m1.small", KeyPairID: "my-key",
		ExternalNetworkID: "public", DockerVolumeSize: &size, FloatingIPEnabled: &no,
		Labels: map[string]string{"tier": "fast"},
	}).Extract())
	found := 0
	check(clustertemplates.List(client, clustertemplates.ListOpts{Limit: 1}).EachPage(ctx,
		func(_ context.Context, page pagination.Page) (bool, error) {
			for _, one := range must(clustertemplates.ExtractClusterTemplates(page)) {
				if one.UUID == made.UUID {
					found++
				}
			}
			return true, nil
		}))
	if found != 1 {
		log.Fatalf("the template is on %d of the pages", found)
	}
	must(clustertemplates.Update(ctx, client, made.UUID, []clustertemplates.UpdateOptsBuilder{
		clustertemplates.UpdateOpts{Op: clustertemplates.ReplaceOp, Path: "/dns_nameserver", Value: "8.8.4.4"},
		clustertemplates.UpdateOpts{Op: clustertemplates.ReplaceOp, Path: "/master_lb_enabled", Value: "True"},
		clustertemplates.UpdateOpts{Op: clustertemplates.RemoveOp, Path: "/docker_volume_size"},
	}).Extract())
	return must(clustertemplates.Get(ctx, client, made.UUID).Extract())
}

// brief makes a cluster without a name and a time limit, and asks at once for its end.
func brief(client *gophercloud.ServiceClient, model string) *clusters.Cluster {
	one := 1
	uuid := must(clusters.Create(ctx, client, clusters.CreateOpts{
		ClusterTemplateID: model, NodeCount: &one, MasterCount: &one,
	}).Extract())
	made := must(clusters.Get(ctx, client, uuid).Extract())
	check(clusters.Delete(ctx, client, uuid).ExtractErr())
	return made
}

func main() {
	client, uuid := service(), os.Args[1]
	model := template(client)
	made := brief(client, model.UUID)
	listed := must(clusters.ExtractClusters(must(clusters.ListDetail(client, nil).AllPages(ctx))))
	signed := must(certificates.Create(ctx, client, certificates.CreateOpts{
		ClusterUUID: uuid, CSR: string(must(io.ReadAll(os.Stdin))),
	}).Extract())
	client.Microversion = "1.10"
	count := must(clusters.Get(ctx, client, uuid).Extract()).NodeCount
	must(clusters.Resize(ctx, client, uuid, clusters.ResizeOpts{NodeCount: &count}).Extract())
	groups := must(nodegroups.ExtractNodeGroups(must(nodegroups.List(client, uuid, nil).AllPages(ctx))))
	worker := must(nodegroups.Get(ctx, client, uuid, "default-worker").Extract())
	_, gone := clusters.Get(ctx, client, "no-such-cluster").Extract()
	told := map[string]any{
		"template": model, "made": made, "listed": listed, "groups": groups, "worker": worker,
		"authority": must(certificates.Get(ctx, client, uuid).Extract()).PEM, "signed": signed.PEM,
		"gone_is_404": gophercloud.ResponseCodeIs(gone, 404),
	}
	fmt.Println(string(must(json.Marshal(told))))
}
