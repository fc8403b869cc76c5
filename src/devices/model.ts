/** A MAC address, lower case with colons: `02:00:5e:10:00:01`. */
export type Mac = string;

/** How we came to know that a device is on the LAN right now. */
export type Via =
  /** It answered a broadcast or directed ARP request of ours. */
  | 'arp-reply'
  /** We overheard an ARP frame of its own. */
  | 'arp-heard'
  /** It asked for, or confirmed, an address. */
  | 'dhcp'
  /** We overheard it on multicast DNS. */
  | 'mdns'
  /** The kernel's neighbour table says REACHABLE. */
  | 'neighbour';

/** Proof of life of one network interface at one instant. */
export interface LanSighting {
  readonly mac: Mac;
  readonly ip: string | undefined;
  /** Epoch ms. */
  readonly at: number;
  readonly via: Via;
  /** The configured network (CIDR) it was seen in. */
  readonly network: string;
  readonly hostname?: string;
  /** DHCP option 55, comma-separated: a fingerprint of the operating system. */
  readonly dhcpFingerprint?: string;
  /** DHCP option 60. */
  readonly dhcpVendorClass?: string;
  /** Interface identifiers (last 64 bits) of IPv6 addresses that it used. */
  readonly ipv6Suffix?: string;
}

/** One device on the LAN, as remembered. */
export interface LanDevice {
  readonly mac: Mac;
  readonly ip: string | undefined;
  readonly network: string;
  readonly hostname: string | undefined;
  /** From the IEEE registry; undefined for randomised addresses. */
  readonly vendor: string | undefined;
  /** True when the address is locally administered, as phones' private addresses are. */
  readonly randomised: boolean;
  readonly dhcpFingerprint: string | undefined;
  readonly dhcpVendorClass: string | undefined;
  readonly ipv6Suffix: string | undefined;
  /** Epoch ms. */
  readonly firstSeen: number;
  /** Epoch ms. */
  readonly lastSeen: number;
  readonly lastVia: Via;
}

/** The result of asking every address of a network. */
export interface SweepResult {
  readonly network: string;
  /** Epoch ms of the end of the sweep. */
  readonly at: number;
  readonly probed: number;
  readonly tookMs: number;
  readonly found: readonly LanSighting[];
}

export interface Target {
  readonly ip: string;
  readonly mac: Mac;
}

/** Asks the LAN who is there. One implementation by raw ARP, one by the kernel's own ARP, one simulated. */
export interface LanScanner {
  readonly method: 'raw' | 'kernel' | 'simulated';
  /** Why this method was chosen, and what would make a better one possible; shown in health. */
  readonly why: string;
  /** Asks every address of the network (CIDR). */
  sweep(network: string, signal: AbortSignal): Promise<SweepResult>;
  /** Asks known devices directly (unicast), which wakes phones that ignore broadcasts. Resolves with those that answered. */
  probe(network: string, targets: readonly Target[], signal: AbortSignal): Promise<LanSighting[]>;
  /** Overhears ARP, DHCP and mDNS until the signal aborts; absent where the capability is missing. */
  listen?(
    networks: readonly string[],
    heard: (sighting: LanSighting) => void,
    signal: AbortSignal,
  ): Promise<void>;
  close(): Promise<void>;
}
