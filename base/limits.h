/* Every bound of the program, and what happens at it. What has a key in agent.conf has
 * its default and range in config/settings.c instead. Sizes are bytes, times milliseconds. */
#ifndef VMV_BASE_LIMITS_H
#define VMV_BASE_LIMITS_H

#include <stddef.h>

#define VMV_KIB ((size_t)1024)
#define VMV_MIB (1024 * VMV_KIB)

/* Lines from the host: over them the line is dropped, counted and reported. */
#define VMV_JSON_DEPTH_IN  32
#define VMV_JSON_MEMBERS   65536
#define VMV_RAW_MAX	   (4 * VMV_MIB) /* text of a raw command */
#define VMV_ID_MAX	   128		 /* longer ids cannot be answered: ignored, counted */
#define VMV_ERROR_TEXT_MAX 300

/* Lines to the host: a message that grows over its bound is not sent; an error is. */
#define VMV_LINE_OUT_MAX      (1 * VMV_MIB)
#define VMV_RESPONSE_MAX      (3 * VMV_MIB)
#define VMV_HANDSHAKE_MAX     (2 * VMV_KIB)
#define VMV_METRICS_MAX	      (256 * VMV_KIB) /* the lists are cut until it fits */
#define VMV_SUBSCRIPTIONS_MAX 8
#define VMV_SAMPLE_PERIOD_MIN 100
#define VMV_FILE_CHUNK_MAX    (512 * VMV_KIB)

/* One channel. */
#define VMV_WRITE_MAX	   (32 * VMV_KIB)  /* the port driver takes no more per call */
#define VMV_READ_BUDGET	   (256 * VMV_KIB) /* per turn; the rest comes in the next turn */
#define VMV_LINES_BUDGET   256		   /* lines handled per turn; the rest likewise */
#define VMV_WINDOW_BYTES   (64 * VMV_KIB)  /* not acknowledged: held back beyond it */
#define VMV_WINDOW_LINES   64
#define VMV_CHANNELS_MAX   8 /* a ninth is a configuration error */
#define VMV_GRACE_MS	   250
#define VMV_LINGER_MS	   2000	 /* a peer that shut down its sending side still gets replies */
#define VMV_TICK_BUSY_MS   1000	 /* insurance check of a port with output waiting */
#define VMV_TICK_IDLE_MS   30000 /* the same with nothing waiting */
#define VMV_STUCK_MS	   60000 /* output without progress: reported */
#define VMV_RETRY_MIN_MS   1000	 /* opening a port again; doubles up to the tick */
#define VMV_CONNECT_MIN_MS 100	 /* connecting again; doubles, jittered, up to the next */
#define VMV_CONNECT_MAX_MS 30000

/* One session. */
#define VMV_GREETING_MS	     500  /* replies wait so long for the first metrics */
#define VMV_METRICS_MIN_MS   1000 /* 'Metrics' requests: at most one answer a second */
#define VMV_METRICS_SOON_MS  5000 /* no address yet, or an address changed */
#define VMV_METRICS_SOON_FOR 120000
#define VMV_KEEPALIVE_PER_S  10	   /* further ones in that second are ignored, counted */
#define VMV_REPORT_MS	     10000 /* malformed and oversize lines: one report per period */
#define VMV_NOTICES_QUEUED   (32 * VMV_MIB) /* further completions come in the next session */
#define VMV_HELD_BYTES	     (16 * VMV_MIB) /* lines of commands that are under way: more is BUSY */
#define VMV_POLL_WAIT_MS     10000	    /* pending scripts: wait for an answer */
#define VMV_POLL_TRIES	     3
#define VMV_SPARE_IN_FLIGHT  8 /* beside [protocol] in_flight, for JobStatus and JobCancel */

/* One reading. */
#define VMV_CPU_GAP_MS	       250    /* second reading when there is no usable first */
#define VMV_CPU_AGE_MIN_MS     500    /* the older of the two readings is at least so old */
#define VMV_CPU_AGE_MAX_MS     120000 /* and at most so old */
#define VMV_REUSE_MS	       1000   /* GetMetrics takes a reading that is so young */
#define VMV_SCAN_SLICE	       16     /* processes per slice */
#define VMV_LIST_AGE_MS	       60000  /* /proc is listed again at the latest */
#define VMV_KEPT_STATS_MAX     8192   /* descriptors of /proc/PID/stat that stay open */
#define VMV_NOFILE_RESERVE     512    /* descriptors for everything else */
#define VMV_NOFILE_WANTED      (VMV_KEPT_STATS_MAX + VMV_NOFILE_RESERVE) /* soft limit we ask for */
#define VMV_CPUS_MAX	       4096 /* rows beyond these bounds are counted and left out */
#define VMV_MEMORY_BLOCKS_MAX  65536
#define VMV_DISKS_MAX	       1024
#define VMV_INTERFACES_MAX     1024
#define VMV_PROCESSES_MAX      (1u << 22) /* pid_max of the kernel */
#define VMV_ROWS_MAX	       (1u << 22) /* of one group in memory; left out and counted beyond */
#define VMV_SOCKETS_MAX	       (1u << 20)
#define VMV_CGROUPS_MAX	       4096	     /* further ones are not looked at, but counted */
#define VMV_CGROUP_DEPTH       8	     /* below it nothing is looked at; parents include it */
#define VMV_CGROUP_ROWS	       512	     /* the others are counted and left out */
#define VMV_CGROUP_SLICE       32	     /* per turn of the loop */
#define VMV_CGROUP_PATH_MAX    400	     /* bytes; longer ones are counted and left out */
#define VMV_CRITICAL_UNITS     64	     /* more are a configuration error */
#define VMV_FAILED_UNITS       256	     /* rows; further ones are only counted */
#define VMV_SESSIONS_MAX       256	     /* further ones are left out */
#define VMV_SESSION_ID_MAX     63	     /* bytes; a session with a longer one is left out */
#define VMV_UNIT_NAME_MAX      255	     /* likewise; the longest that systemd knows */
#define VMV_UTMP_MAX	       (1 * VMV_MIB) /* a larger file is an error */
#define VMV_METRICS_MOUNTS     64
#define VMV_METRICS_INTERFACES 64
#define VMV_METRICS_ADDRESSES  16
#define VMV_METRICS_PORTS      1000
#define VMV_PROCESS_LIST_MAX   2000
#define VMV_USERS_MAX	       2000   /* accounts in UserList; further ones are left out */
#define VMV_SERVICES_AGE_MS    5000   /* ServiceList: an answer that is so young is good */
#define VMV_USAGE_DAYS	       30     /* history of use; older means are overwritten */
#define VMV_USAGE_GAP_MS       305000 /* readings further apart: what was between is unknown */
#define VMV_USAGE_ENOUGH_S     3600   /* advice takes so much history */
#define VMV_STATE_JOBS	       64     /* listed by GetState; further ones are not */
#define VMV_CMDLINE_MAX	       512    /* characters on the wire */

/* What the helper answers. */
#define VMV_ASK_DEADLINE_MS 2000 /* then the question is stuck */
#define VMV_ASK_WAIT_MS	    200	 /* a reading waits so long for answers, then goes on without */
#define VMV_ASK_ERROR_MS    2000 /* an error is an answer for so long: it may be chance */
#define VMV_ASK_QUESTIONS   256	 /* different ones that are kept; a further one is -EBUSY */
#define VMV_ASK_WORKERS	    4	 /* processes at once; with all stuck the rest is -EBUSY */
#define VMV_ASK_ANSWER_MAX  (64 * VMV_KIB)   /* bytes; a longer one is -EFBIG */
#define VMV_ASK_LONG_MAX    VMV_RESPONSE_MAX /* the same, of those that were fetched */
#define VMV_ASK_IDLE_MS	    10000	     /* then a worker without work ends */
#define VMV_ASK_FETCHERS    3		     /* processes for what is fetched, beside the others */
#define VMV_ASK_FETCHED	    64		  /* different questions of it; a further one is -EBUSY */
#define VMV_ASK_WAITERS	    1024	  /* for these; likewise */
#define VMV_ASK_KEPT_BYTES  (4 * VMV_MIB) /* of their answers; the one unused for longest goes */

#define VMV_ASK_QUESTION_MAX (8 * VMV_KIB) /* bytes; a longer one is -EINVAL */

/* The executor. */
#define VMV_LINK_LINE_MAX   (24 * VMV_MIB) /* between agent and executor; longer: hung up */
#define VMV_LINK_QUEUED_MAX (32 * VMV_MIB) /* that it has not read: more is BUSY */
#define VMV_LINK_QUESTIONS  4096	   /* that it has not answered; likewise */
#define VMV_OPEN_WAIT_MS    1000	   /* its answer to session_open */
#define VMV_JOBS_QUEUED	    64 /* waiting for their turn, of each language; more are BUSY */
#define VMV_JOBS_THAWS	    8  /* beside them, and at once; likewise */
#define VMV_JOBS_WAIT_BYTES (48 * VMV_MIB) /* of their messages; likewise */
#define VMV_JOBS_KEPT	    64		   /* finished, for JobStatus, so long and so much: */
#define VMV_JOBS_KEPT_MS    3600000
#define VMV_JOBS_KEPT_BYTES (8 * VMV_MIB)
#define VMV_PEER_QUEUE_HIGH (8 * VMV_MIB)   /* not read by the agent: then it is not, either; */
#define VMV_PEER_QUEUE_MAX  (64 * VMV_MIB)  /* and then hung up on */
#define VMV_CANCEL_KILL_MS  2000	    /* from TERM to KILL of a job that is cancelled */
#define VMV_PIPES_LINGER_MS 500		    /* pipes that outlive the child are closed then */
#define VMV_STREAM_CHUNK    (32 * VMV_KIB)  /* raw bytes of one output message */
#define VMV_STREAM_AGE_MS   200		    /* output waits so long to be more */
#define VMV_STREAM_QUEUED   (256 * VMV_KIB) /* then the child's pipe is not read */
#define VMV_JOB_RESULT_MAX  VMV_RESPONSE_MAX
#define VMV_NONCES_MAX	    100000 /* alive; then v1 envelopes are BUSY */
#define VMV_NONCE_MAX	    128	   /* bytes */
#define VMV_V1_WINDOW_MS    300000
#define VMV_KEYS_MAX	    64
#define VMV_UNVOUCHED_BURST 20	/* refusals that nobody vouches for, */
#define VMV_UNVOUCHED_MS    200 /* refilled one in so long */
#define VMV_SCRIPTS_MESSAGE 64	/* of one message; and their text: */
#define VMV_SCRIPTS_BYTES   (1 * VMV_MIB)
#define VMV_SCRIPT_SECONDS  3600
#define VMV_SCRIPTS_KEPT    1000 /* ids that were reported, and so long: */
#define VMV_SCRIPTS_KEPT_S  (30 * 86400)
#define VMV_SCRIPTS_LIVE    256 /* not yet reported; further ones are told so */
#define VMV_SCRIPT_ID_MAX   512 /* bytes; a script with a longer one is skipped */
#define VMV_SCRIPT_NAME_MAX 256 /* bytes of name, shell and account; longer ones are refused */
#define VMV_ENV_VARS	    256
#define VMV_ENV_BYTES	    (128 * VMV_KIB)

/* A channel that speaks the QEMU guest agent's protocol. */
#define VMV_QGA_QUEUED	     64		    /* requests that wait; then it is not read */
#define VMV_QGA_QUEUED_BYTES (1 * VMV_MIB)  /* likewise */
#define VMV_QGA_QUEUE_HIGH   (64 * VMV_KIB) /* of replies not read: nothing more is begun */
#define VMV_QGA_REPLY_MAX    (9 * VMV_MIB)  /* libvirt hangs up at 10 */
#define VMV_QGA_MESSAGE_MAX  (8 * VMV_MIB)  /* of one request to a job; a longer one is an error */
#define VMV_QGA_FILES	     64		    /* open at once */
#define VMV_QGA_CHILDREN     64		    /* of guest-exec that run or were not asked after */
#define VMV_QGA_CHILD_MS     3600000	    /* the latter are forgotten then */
#define VMV_QGA_OUTPUT_MAX   (2 * VMV_MIB)  /* kept of each of their streams, */
#define VMV_QGA_KEPT_BYTES                                                           \
	(32 * VMV_MIB)	       /* of all that run: the rest is read and dropped; and \
				* of all that ended: the oldest are forgotten */
#define VMV_QGA_START_MS 55000 /* a program that has not begun then is ended */

#define VMV_CONFIG_FILE_MAX (64 * VMV_KIB)

#endif
