// The corpus of the benchmark: a few roots whose module graph is what a real
// service pulls in, 368 modules with zips from 1 kB to 39 MB, pinned for ever.
module example.com/corpus

go 1.24

require (
	github.com/aws/aws-sdk-go-v2/service/s3 v1.71.0
	github.com/cockroachdb/pebble v1.1.2
	github.com/gin-gonic/gin v1.10.0
	github.com/gofiber/fiber/v2 v2.52.5
	github.com/hashicorp/consul/api v1.30.0
	github.com/prometheus/prometheus v0.55.1
	github.com/spf13/viper v1.19.0
	helm.sh/helm/v3 v3.16.4
)
