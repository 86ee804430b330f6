package fleet

// What the components of a cluster export: names and labels as the components of
// Kubernetes 1.30 and kube-prometheus have them.

import (
	"fmt"
	"slices"
)

var (
	namespaces   = []string{"default", "kube-system", "monitoring", "shop", "billing", "search", "media", "ml", "batch", "gateway"}
	latencies    = []string{"0.005", "0.025", "0.05", "0.1", "0.2", "0.4", "0.6", "0.8", "1", "1.25", "1.5", "2", "3", "4", "5", "6", "8", "10", "15", "20", "30", "45", "60"}
	schedulings  = []string{"0.001", "0.002", "0.004", "0.008", "0.016", "0.032", "0.064", "0.128", "0.256", "0.512", "1.024", "2.048", "4.096", "8.192", "16.384"}
	kubeletTimes = []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"}
	resources    = []string{"pods", "nodes", "services", "endpoints", "configmaps", "secrets", "events", "leases", "deployments", "replicasets", "jobs", "ingresses"}
	agents       = []string{"kube-proxy", "node-exporter", "cni", "log-agent"} // daemon sets: a pod on every node
)

const coresOfNode = 8

// addNode adds a node's exporters, its kubelet and the pods that every node runs.
func (c *Cluster) addNode(n int) {
	name := nodeName(n)
	exporter := c.target()
	m := maker{c: c, e: exporter.own, labels: []Label{
		{"job", "node-exporter"}, {"instance", name}, {"namespace", "monitoring"}, {"pod", fmt.Sprintf("node-exporter-%05d", n)}, {"container", "kube-rbac-proxy"}, {"endpoint", "https"},
	}}
	m.constant("up", 1)
	for cpu := range coresOfNode {
		for i, mode := range []string{"idle", "user", "system", "iowait", "irq", "nice", "softirq", "steal"} {
			m.counter("node_cpu_seconds_total", []float64{0.6, 0.25, 0.1, 0.02, 0.001, 0.001, 0.02, 0.008}[i], "cpu", fmt.Sprint(cpu), "mode", mode)
		}
	}
	const memory = float64(64 << 30)
	m.constant("node_memory_MemTotal_bytes", memory)
	for i, kind := range []string{"MemFree", "MemAvailable", "Buffers", "Cached", "Slab", "SwapTotal", "SwapFree"} {
		m.gauge("node_memory_"+kind+"_bytes", memory*[]float64{0.2, 0.5, 0.02, 0.3, 0.03, 0, 0}[i])
	}
	for _, device := range []string{"nvme0n1", "nvme1n1"} {
		for _, metric := range []string{"node_disk_io_time_seconds_total", "node_disk_io_time_weighted_seconds_total", "node_disk_read_bytes_total", "node_disk_written_bytes_total", "node_disk_reads_completed_total", "node_disk_writes_completed_total"} {
			m.counter(metric, 0.2, "device", device)
		}
	}
	for _, mount := range []string{"/", "/var", "/boot"} {
		fs := m.with("device", "/dev/nvme0n1p"+fmt.Sprint(len(mount)), "fstype", "ext4", "mountpoint", mount)
		fs.constant("node_filesystem_size_bytes", 1e11)
		fs.gauge("node_filesystem_avail_bytes", 4e10)
		fs.constant("node_filesystem_files", 1e7)
		fs.gauge("node_filesystem_files_free", 8e6)
		fs.constant("node_filesystem_readonly", 0)
	}
	for _, device := range []string{"eth0", "eth1", "cni0"} {
		for _, way := range []string{"receive", "transmit"} {
			for i, what := range []string{"bytes", "packets", "errs", "drop"} {
				m.counter("node_network_"+way+"_"+what+"_total", []float64{2e6, 2e3, 0.001, 0.01}[i], "device", device)
			}
		}
		m.constant("node_network_up", 1, "device", device)
	}
	for _, metric := range []string{"node_load1", "node_load5", "node_load15", "node_filefd_allocated", "node_nf_conntrack_entries", "node_timex_maxerror_seconds", "node_timex_offset_seconds"} {
		m.gauge(metric, 3)
	}
	for _, metric := range []string{"node_filefd_maximum", "node_nf_conntrack_entries_limit", "node_timex_sync_status"} {
		m.constant(metric, 1e5)
	}
	m.constant("node_textfile_scrape_error", 0)
	m.counter("node_vmstat_pgmajfault", 0.1)

	c.addKubelet(n, name)
	cadvisor := c.target()
	cadvisor.own = nil
	for _, agent := range agents {
		c.addPod(n, "kube-system", workload{"DaemonSet", agent})
	}
	k := maker{c: c, e: c.state.own, labels: append(stateLabels(), Label{"node", name})}
	k.constant("kube_node_info", 1, "kernel_version", "6.1", "kubelet_version", "v1.30.2", "internal_ip", fmt.Sprintf("10.0.%d.%d", n/250, n%250))
	k.constant("kube_node_spec_unschedulable", 0)
	for _, condition := range []string{"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"} {
		for _, status := range []string{"true", "false", "unknown"} {
			is := 0.0
			if (condition == "Ready") == (status == "true") && status != "unknown" {
				is = 1
			}
			k.constant("kube_node_status_condition", is, "condition", condition, "status", status)
		}
	}
	for _, metric := range []string{"kube_node_status_capacity", "kube_node_status_allocatable"} {
		k.constant(metric, coresOfNode, "resource", "cpu", "unit", "core")
		k.constant(metric, memory, "resource", "memory", "unit", "byte")
		k.constant(metric, 110, "resource", "pods", "unit", "integer")
	}
}

func nodeName(n int) string { return fmt.Sprintf("node-%04d", n) }

// stateLabels is the labels of what kube-state-metrics exports.
func stateLabels() []Label { return []Label{{"job", "kube-state-metrics"}} }

// addKubelet adds what a kubelet says of itself.
func (c *Cluster) addKubelet(n int, node string) {
	m := maker{c: c, e: c.target().own, labels: []Label{
		{"job", "kubelet"}, {"metrics_path", "/metrics"}, {"instance", fmt.Sprintf("10.0.%d.%d:10250", n/250, n%250)}, {"endpoint", "https-metrics"}, {"service", "kubelet"},
	}}
	m.constant("up", 1, "node", node)
	m.constant("kubelet_node_name", 1, "node", node)
	m.gauge("kubelet_running_pods", 35, "node", node)
	m.histogram("kubelet_pleg_relist_duration_seconds", 1, kubeletTimes)
	for _, operation := range []string{"create", "sync", "update"} {
		m.histogram("kubelet_pod_worker_duration_seconds", 0.5, kubeletTimes, "operation_type", operation)
	}
	m.constant("kubelet_certificate_manager_client_ttl_seconds", 3e6)
	m.constant("kubelet_certificate_manager_server_ttl_seconds", 3e6)
	for _, signal := range []string{"memory.available", "nodefs.available"} {
		m.counter("kubelet_evictions", 0, "eviction_signal", signal)
	}
	for i, code := range []string{"200", "201", "404", "500"} {
		m.counter("rest_client_requests_total", []float64{5, 1, 0.1, 0.01}[i], "code", code, "method", "GET", "host", "10.0.0.1:6443")
	}
}

// addControlPlane adds three API servers, a scheduler and a controller manager.
func (c *Cluster) addControlPlane() {
	for i := range 3 {
		instance := fmt.Sprintf("10.0.255.%d:6443", i+1)
		m := maker{c: c, e: c.target().own, labels: []Label{{"job", "apiserver"}, {"instance", instance}, {"namespace", "default"}, {"service", "kubernetes"}, {"endpoint", "https"}}}
		m.constant("up", 1)
		m.constant("kubernetes_build_info", 1, "git_version", "v1.30.2", "major", "1", "minor", "30")
		m.constant("aggregator_unavailable_apiservice", 0, "name", "v1beta1.metrics.k8s.io")
		m.counter("apiserver_request_terminations_total", 0.001, "code", "504", "component", "apiserver")
		for _, verb := range []string{"GET", "LIST", "POST", "PUT", "PATCH", "DELETE", "WATCH"} {
			for r, resource := range resources {
				for k, code := range []string{"200", "404", "500"} {
					m.counter("apiserver_request_total", []float64{3, 0.1, 0.005}[k]/float64(r+1), "verb", verb, "resource", resource, "code", code, "scope", scopeOf(verb), "group", "", "version", "v1")
				}
				if verb != "WATCH" {
					m.histogram("apiserver_request_sli_duration_seconds", 3/float64(r+1), latencies, "verb", verb, "resource", resource, "scope", scopeOf(verb), "subresource", "", "group", "", "version", "v1")
				}
			}
		}
		m.histogram("apiserver_client_certificate_expiration_seconds", 1, []string{"0", "3600", "86400", "604800", "2592000"})
	}
	for _, job := range []string{"kube-scheduler", "kube-controller-manager"} {
		m := maker{c: c, e: c.target().own, labels: []Label{{"job", job}, {"instance", "10.0.255.1:10259"}, {"namespace", "kube-system"}, {"pod", job + "-0"}}}
		m.constant("up", 1)
		if job == "kube-scheduler" {
			m.histogram("scheduler_pod_scheduling_sli_duration_seconds", 0.5, schedulings, "attempts", "1")
			m.histogram("scheduler_scheduling_algorithm_duration_seconds", 0.5, schedulings)
			m.histogram("scheduler_scheduling_attempt_duration_seconds", 0.5, schedulings, "profile", "default-scheduler", "result", "scheduled")
		}
	}
}

func scopeOf(verb string) string {
	switch verb {
	case "LIST", "WATCH":
		return "cluster"
	case "POST":
		return "namespace"
	}
	return "resource"
}

// podsPerWorkload is how many pods a workload has, about.
const podsPerWorkload = 5

// addWorkloads adds deployments, stateful sets and jobs, with their pods.
func (c *Cluster) addWorkloads() {
	for first := 0; first < c.opts.Pods; first += podsPerWorkload {
		w, namespace := first/podsPerWorkload, namespaces[c.rng.IntN(len(namespaces))]
		n := min(podsPerWorkload, c.opts.Pods-first)
		m := maker{c: c, e: c.state.own, labels: append(stateLabels(), Label{"namespace", namespace})}
		var owner workload
		switch w % 10 {
		case 8:
			owner = workload{"StatefulSet", fmt.Sprintf("db-%d", w)}
			s := m.with("statefulset", owner.name)
			for _, metric := range []string{"kube_statefulset_replicas", "kube_statefulset_status_replicas_ready", "kube_statefulset_status_replicas_updated"} {
				s.constant(metric, float64(n))
			}
			for _, metric := range []string{"kube_statefulset_metadata_generation", "kube_statefulset_status_observed_generation"} {
				s.constant(metric, 1)
			}
		case 9:
			owner = workload{"Job", fmt.Sprintf("report-%d", w)}
			m.constant("kube_job_owner", 1, "job_name", owner.name, "owner_kind", "CronJob", "owner_name", fmt.Sprintf("reports-%d", w%7))
			m.gauge("kube_job_status_active", 1, "job_name", owner.name)
			m.constant("kube_job_status_start_time", 1.7e9, "job_name", owner.name)
		default:
			deployment := fmt.Sprintf("app-%d", w)
			owner = workload{"ReplicaSet", fmt.Sprintf("%s-%08x", deployment, c.rng.Uint32())}
			m.constant("kube_replicaset_owner", 1, "replicaset", owner.name, "owner_kind", "Deployment", "owner_name", deployment)
			d := m.with("deployment", deployment)
			for _, metric := range []string{"kube_deployment_spec_replicas", "kube_deployment_status_replicas_available", "kube_deployment_status_replicas_updated"} {
				d.constant(metric, float64(n))
			}
			for _, metric := range []string{"kube_deployment_metadata_generation", "kube_deployment_status_observed_generation"} {
				d.constant(metric, 1)
			}
			d.constant("kube_deployment_status_condition", 1, "condition", "Progressing", "status", "true")
			h := m.with("horizontalpodautoscaler", deployment)
			for _, metric := range []string{"kube_horizontalpodautoscaler_spec_max_replicas", "kube_horizontalpodautoscaler_spec_min_replicas", "kube_horizontalpodautoscaler_status_current_replicas", "kube_horizontalpodautoscaler_status_desired_replicas"} {
				h.constant(metric, float64(n))
			}
		}
		for range n {
			c.addPod(c.rng.IntN(c.opts.Nodes), namespace, owner)
		}
	}
}

// cadvisorOf is the place of a node's cAdvisor among the targets.
func (c *Cluster) cadvisorOf(n int) *target { return c.targets[1+3*n+2] }

// addPod starts a pod of a workload on a node.
func (c *Cluster) addPod(n int, namespace string, owner workload) {
	c.made++
	p := &pod{node: n, namespace: namespace, workload: owner, onNode: &entity{}, state: &entity{}}
	name := fmt.Sprintf("%s-%05x", owner.name, c.made)
	c.pods = append(c.pods, p)
	node := c.cadvisorOf(n)
	node.things = append(node.things, p.onNode)
	c.state.things = append(c.state.things, p.state)
	containers := []string{"main", "sidecar"}[:1+c.made%2]

	m := maker{c: c, e: p.onNode, labels: []Label{
		{"job", "kubelet"}, {"metrics_path", "/metrics/cadvisor"}, {"instance", fmt.Sprintf("10.0.%d.%d:10250", n/250, n%250)}, {"node", nodeName(n)}, {"endpoint", "https-metrics"}, {"service", "kubelet"},
		{"namespace", namespace}, {"pod", name},
	}}
	for _, container := range append(slices.Clone(containers), "") {
		k := m.with("id", fmt.Sprintf("/kubepods/pod%05x/%s", c.made, container))
		if container != "" {
			k = k.with("container", container, "image", "registry.example/"+owner.name+":1.0", "name", fmt.Sprintf("%s_%05x", container, c.made))
		}
		k.counter("container_cpu_usage_seconds_total", 0.1, "cpu", "total")
		k.counter("container_cpu_user_seconds_total", 0.07)
		k.counter("container_cpu_system_seconds_total", 0.03)
		k.counter("container_cpu_cfs_periods_total", 10)
		k.counter("container_cpu_cfs_throttled_periods_total", 0.5)
		for i, kind := range []string{"working_set_bytes", "rss", "cache", "swap", "usage_bytes", "mapped_file"} {
			k.gauge("container_memory_"+kind, []float64{2e8, 1.5e8, 5e7, 0, 2.5e8, 1e7}[i])
		}
		for _, metric := range []string{"container_fs_reads_bytes_total", "container_fs_writes_bytes_total", "container_fs_reads_total", "container_fs_writes_total"} {
			k.counter(metric, 50, "device", "/dev/nvme0n1")
		}
		k.gauge("container_processes", 5)
		k.gauge("container_threads", 20)
		k.gauge("container_file_descriptors", 60)
		k.constant("container_start_time_seconds", 1.7e9)
		k.constant("container_spec_memory_limit_bytes", 5e8)
		k.constant("container_spec_cpu_shares", 256)
	}
	for _, way := range []string{"receive", "transmit"} {
		for i, what := range []string{"bytes", "packets", "errors", "packets_dropped"} {
			m.counter("container_network_"+way+"_"+what+"_total", []float64{5e4, 100, 0, 0.01}[i], "interface", "eth0")
		}
	}

	k := maker{c: c, e: p.state, labels: append(stateLabels(), Label{"namespace", namespace}, Label{"pod", name}, Label{"uid", fmt.Sprintf("%032x", c.made)})}
	k.constant("kube_pod_info", 1, "node", nodeName(n), "host_ip", fmt.Sprintf("10.0.%d.%d", n/250, n%250), "pod_ip", fmt.Sprintf("10.1.%d.%d", c.made/250%250, c.made%250), "created_by_kind", owner.kind, "created_by_name", owner.name)
	k.constant("kube_pod_owner", 1, "owner_kind", owner.kind, "owner_name", owner.name, "owner_is_controller", "true")
	k.constant("kube_pod_start_time", 1.7e9)
	k.constant("kube_pod_created", 1.7e9)
	for _, phase := range []string{"Pending", "Running", "Succeeded", "Failed", "Unknown"} {
		k.constant("kube_pod_status_phase", one(phase == "Running"), "phase", phase)
	}
	for _, condition := range []string{"true", "false", "unknown"} {
		k.constant("kube_pod_status_ready", one(condition == "true"), "condition", condition)
		k.constant("kube_pod_status_scheduled", one(condition == "true"), "condition", condition)
	}
	for _, reason := range []string{"Evicted", "NodeLost", "UnexpectedAdmissionError"} {
		k.constant("kube_pod_status_reason", 0, "reason", reason)
	}
	for _, container := range containers {
		x := k.with("container", container)
		x.constant("kube_pod_container_info", 1, "image", "registry.example/"+owner.name+":1.0")
		x.constant("kube_pod_container_status_ready", 1)
		x.constant("kube_pod_container_status_running", 1)
		x.constant("kube_pod_container_status_terminated", 0)
		x.constant("kube_pod_container_status_waiting", 0)
		x.counter("kube_pod_container_status_restarts_total", 0.0001)
		for _, metric := range []string{"kube_pod_container_resource_requests", "kube_pod_container_resource_limits"} {
			x.constant(metric, 0.25, "resource", "cpu", "unit", "core", "node", nodeName(n))
			x.constant(metric, 5e8, "resource", "memory", "unit", "byte", "node", nodeName(n))
		}
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// replace ends a pod and starts another of its workload on some node.
func (c *Cluster) replace(i int) {
	old := c.pods[i]
	old.onNode.gone, old.state.gone = true, true
	node := old.node
	if old.workload.kind != "DaemonSet" {
		node = c.rng.IntN(c.opts.Nodes)
	}
	c.addPod(node, old.namespace, old.workload)
	last := len(c.pods) - 1
	c.pods[i], c.pods = c.pods[last], c.pods[:last]
}
